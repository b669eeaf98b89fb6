"""A village's own database out of the gabungan: asked for, and fetched once."""

from __future__ import annotations

import tempfile
from typing import IO

from flask import Blueprint, abort, redirect, send_file, url_for
from flask.typing import ResponseReturnValue

from siappakai.models import Role
from siappakai.services import exports, extracts, runs, villages
from siappakai.web.confirmation import asks_again
from siappakai.web.identity import actor
from siappakai.web.security import requires

blueprint = Blueprint("extracts", __name__, url_prefix="/gabungan/extracts")


@blueprint.post("/<code>")
@requires(Role.ADMIN)
@asks_again
def create(code: str) -> ResponseReturnValue:
    run = extracts.request(villages.get_village(code), by=actor())
    return redirect(url_for("runs.show", run_id=run.id), 303)


@blueprint.post("/<int(max=2147483647):run_id>/archive")
@requires(Role.ADMIN)
@asks_again
def fetch(run_id: int) -> ResponseReturnValue:
    run = runs.get_run(run_id)
    if run.play != exports.EXTRACT:
        abort(404)
    code = run.options["code"]
    # The panel keeps no copy: what is sent has no name any more.
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - Flask closes it when it is sent
    try:
        exports.deliver(run, code, file, by=actor())
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return send_file(file, "application/zip", as_attachment=True, download_name=f"desa-{code}.zip")
