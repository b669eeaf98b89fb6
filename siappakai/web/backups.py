"""Backups: where they are, whether they were proven, and taking some now."""

from __future__ import annotations

from contextlib import ExitStack

from flask import (
    Blueprint,
    Response,
    flash,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.models import Role, Run
from siappakai.services import (
    backup_exports,
    backup_keys,
    backup_pruning,
    backups,
    fleet_calendar,
    servers,
    settings,
    store_pruning,
    stores,
)
from siappakai.web.confirmation import asks_again
from siappakai.web.identity import actor
from siappakai.web.restores import refuse_large
from siappakai.web.security import requires

blueprint = Blueprint("backups", __name__, url_prefix="/backups")
_PER_PAGE = 25


@blueprint.get("/")
@requires(Role.VIEWER)
def show_list() -> ResponseReturnValue:
    page = request.args.get("page", 1, type=int)
    return render_template(
        "backups/list.html",
        backups=backups.list_backups(page=page, per_page=_PER_PAGE),
        stores=stores.list_stores(),
        calendar_kept=fleet_calendar.kept(),
        due=store_pruning.due_counts(),
        provers=backup_keys.provers(),
        held=servers.sites_by_server(),
        has_key=bool(settings.get(settings.RECOVERY_RECIPIENT)),
        rules=backup_pruning.policy(),
        waiting=backups.waiting_for_proof(),
    )


@blueprint.post("/take")
@requires(Role.OPERATOR)
def take_all() -> ResponseReturnValue:
    return _asked(backups.request_take(site_ids=backups.all_site_ids(), by=actor()))


@blueprint.post("/verify")
@requires(Role.OPERATOR)
def verify() -> ResponseReturnValue:
    return _asked(backups.request_prove(backup_ids=backups.unproven(), by=actor()))


@blueprint.post("/<int:backup_id>/hold")
@requires(Role.OPERATOR)
def hold(backup_id: int) -> ResponseReturnValue:
    backups.set_held(backup_id, held=True, by=actor())
    flash(_("Cadangan itu tidak akan dipangkas."))
    return redirect(url_for("backups.show_list"), 303)


@blueprint.post("/<int:backup_id>/release")
@requires(Role.ADMIN)
@asks_again
def release(backup_id: int) -> ResponseReturnValue:
    backups.set_held(backup_id, held=False, by=actor())
    flash(_("Cadangan itu kembali mengikuti aturan."))
    return redirect(url_for("backups.show_list"), 303)


@blueprint.post("/<int:backup_id>/download")
@requires(Role.ADMIN)
@asks_again
def download(backup_id: int) -> ResponseReturnValue:
    chosen = backups.get_backup(backup_id)
    refuse_large(chosen, _("Pakai: siappakai backup export, di mesin panel."))
    name, size = chosen.name, chosen.size
    with ExitStack() as opening:
        pieces = opening.enter_context(backup_exports.handed_out(chosen, by=actor()))
        response = Response(stream_with_context(pieces), mimetype="application/octet-stream")
        # Closed with the answer, when all of it was sent or its reader is gone.
        response.call_on_close(opening.pop_all().close)
    response.content_length = size
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _asked(asked: list[Run]) -> ResponseReturnValue:
    if len(asked) == 1:
        return redirect(url_for("runs.show", run_id=asked[0].id), 303)
    flash(_("%(count)s pekerjaan diminta.", count=len(asked)))
    return redirect(url_for("runs.show_list"), 303)
