"""Villages: the list, one of them, registering and renaming."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.domain.states import SiteState
from siappakai.models import Role
from siappakai.services import bulk, overview, places, releases, servers, sites, villages
from siappakai.web.forms.villages import RenameForm, VillageForm
from siappakai.web.identity import actor
from siappakai.web.security import requires
from siappakai.web.selection import wanted_filters

COLUMNS: Final = ("code", "name", "district", "domain", "server", "release", "state")

blueprint = Blueprint("villages", __name__, url_prefix="/villages")


@blueprint.get("/")
@requires(Role.VIEWER)
def show_list() -> ResponseReturnValue:
    filters = wanted_filters(request.args)
    found = villages.list_villages(
        **filters,
        sort=request.args.get("sort", "name"),
        page=request.args.get("page", 1, type=int),
    )
    return render_template(
        "villages/list.html",
        villages=found,
        filters=filters,
        sort=request.args.get("sort", "name"),
        districts=places.list_districts(),
        servers=servers.list_servers(),
        releases=releases.list_releases(),
        states=[state for state in SiteState if state is not SiteState.REMOVED],
    )


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def create() -> ResponseReturnValue:
    form = VillageForm()
    if form.accepted():
        village = form.attempt(
            villages.register_village,
            code=form.kode_desa.data,
            name=form.nama_desa.data,
            district_name=form.district_name.data or "",
            by=actor(),
        )
        if village is not None:
            flash(_("Desa didaftarkan."))
            return redirect(url_for("villages.show", code=village.code), 303)
    return render_template("villages/new.html", form=form), form.status


@blueprint.get("/<code>")
@requires(Role.VIEWER)
def show(code: str) -> ResponseReturnValue:
    return _page(code, RenameForm(formdata=None))


@blueprint.post("/<code>/rename")
@requires(Role.OPERATOR)
def rename(code: str) -> ResponseReturnValue:
    form = RenameForm()
    if form.accepted():
        name = form.nama_desa.data
        if form.attempt(villages.update_village, code, name=name, by=actor()) is not None:
            flash(_("Nama desa diganti."))
            return redirect(url_for("villages.show", code=code), 303)
    return _page(code, form)


@blueprint.post("/<code>/delete")
@requires(Role.ADMIN)
def delete(code: str) -> ResponseReturnValue:
    villages.delete_village(code, by=actor())
    flash(_("Desa dihapus dari registri."))
    return redirect(url_for("villages.show_list"), 303)


def _page(code: str, form: RenameForm) -> ResponseReturnValue:
    village = villages.get_village(code)
    site = sites.find_site(village.id)
    if form.nama_desa.data is None:
        form.nama_desa.data = village.name
    return render_template(
        "villages/show.html",
        village=village,
        site=site,
        lives=bulk.lives(site),
        history=overview.targets_of_site(site.id) if site is not None else [],
        rename_form=form,
    ), form.status
