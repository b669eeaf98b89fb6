"""A village moves in: its files sent, looked at, taken over."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from siappakai.models import Release, Role, Run, Site, Village, db
from siappakai.services import adoptions, incoming, servers, sites, villages
from siappakai.services.adoptions import Wish
from siappakai.web.forms.adoptions import AdoptForm
from siappakai.web.identity import actor
from siappakai.web.security import requires

blueprint = Blueprint("adoptions", __name__, url_prefix="/villages")


@blueprint.route("/<code>/adopt", methods=["GET", "POST"])
@requires(Role.ADMIN)
def adopt(code: str) -> ResponseReturnValue:
    village = villages.get_village(code)
    form = AdoptForm(data=_known(sites.find_site(village.id)))
    form.offer()
    if form.accepted():
        run = form.attempt(_adopt, village, form)
        if run is not None:
            return redirect(url_for("runs.show", run_id=run.id), 303)
    return render_template("villages/adopt.html", village=village, form=form), form.status


def _known(site: Site | None) -> dict[str, object]:
    """Return what a plan says already."""
    if site is None:
        return {}
    release_id = site.wanted_release_id or site.release_id
    return {"domain": site.domain, "server_id": site.server_id, "release_id": release_id}


def _adopt(village: Village, form: AdoptForm) -> Run:
    files, database = _sent(form.files.data), _sent(form.database.data)
    if files is not None:
        incoming.receive(
            village.code,
            files=files.stream,
            database=database.stream if database else None,
            by=actor(),
        )
    wish = Wish(
        server=servers.get_server(form.server_id.data),
        domain=form.domain.data or "",
        release=db.session.get(Release, form.release_id.data),
    )
    return adoptions.request(village, wish, only_look=bool(form.only_look.data), by=actor())


def _sent(file: FileStorage | None) -> FileStorage | None:
    return file if file is not None and file.filename else None
