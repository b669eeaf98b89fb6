"""A training copy is made of a village, out of one of its backups."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.models import Backup, Role, Run, Site, Village
from siappakai.services import backups, servers, sites, training, villages
from siappakai.services.training import Place
from siappakai.web.forms.training import CopyForm
from siappakai.web.identity import actor
from siappakai.web.restores import refuse_large
from siappakai.web.security import requires

blueprint = Blueprint("training", __name__, url_prefix="/villages/<code>/copy")


@blueprint.route("", methods=["GET", "POST"])
@requires(Role.ADMIN)
def make(code: str) -> ResponseReturnValue:
    village = villages.get_village(code)
    form = CopyForm(data=_suggested(village))
    form.offer(_offered(sites.find_site(village.id)))
    if form.accepted():
        run = form.attempt(_make, form)
        if run is not None:
            flash(_("Salinan latihan dibuat; sesudah selesai loginnya ada di halaman desa itu."))
            return redirect(url_for("runs.show", run_id=run.id), 303)
    return render_template("villages/copy.html", village=village, form=form), form.status


def _suggested(village: Village) -> dict[str, str]:
    name = _("Latihan %(name)s", name=village.name)
    return {"kode_desa": training.free_code(village), "nama_desa": name}


def _offered(site: Site | None) -> list[Backup]:
    found = backups.list_backups(site_id=site.id).items if site is not None else []
    return [one for one in found if one.is_stored]


def _make(form: CopyForm) -> Run:
    chosen = backups.get_backup(form.backup_id.data)
    refuse_large(chosen, _("Pakai: siappakai village copy, di mesin panel."))
    place = Place(
        form.kode_desa.data or "",
        form.nama_desa.data or "",
        servers.get_server(form.server_id.data),
        form.domain.data or "",
    )
    return training.request(chosen, place, identity=form.key.data or "", by=actor())
