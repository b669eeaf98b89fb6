"""Villages: the list, one of them, registering and renaming."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.domain.states import UNBUILT, SiteState
from siappakai.errors import NotFoundError
from siappakai.models import Role, Site
from siappakai.services import (
    adoptions,
    backup_calendar,
    bulk,
    overview,
    places,
    releases,
    restorations,
    servers,
    sites,
    villages,
)
from siappakai.services.backup_calendar import Calendar
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.villages import CertificateForm, RenameForm, VillageForm
from siappakai.web.identity import actor
from siappakai.web.languages import retell
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
    return _page(code)


@blueprint.post("/<code>/rename")
@requires(Role.OPERATOR)
def rename(code: str) -> ResponseReturnValue:
    form = RenameForm()
    if form.accepted():
        name = form.nama_desa.data
        if form.attempt(villages.update_village, code, name=name, by=actor()) is not None:
            flash(_("Nama desa diganti."))
            return redirect(url_for("villages.show", code=code), 303)
    return _page(code, rename_form=form)


@blueprint.post("/<code>/certificate")
@requires(Role.ADMIN)
def set_certificate(code: str) -> ResponseReturnValue:
    form = CertificateForm()
    if form.accepted():
        changed = form.attempt(
            sites.set_certificate,
            _site(code).id,
            chain=form.certificate.data or "",
            key=form.certificate_key.data or "",
            by=actor(),
        )
        if changed is not None:
            flash(_("Sertifikat dicatat. Pasang ulang situsnya agar berlaku."))
            return redirect(url_for("villages.show", code=code), 303)
    return _page(code, certificate_form=form)


@blueprint.post("/<code>/delete")
@requires(Role.ADMIN)
@asks_again
def delete(code: str) -> ResponseReturnValue:
    villages.delete_village(code, by=actor())
    flash(_("Desa dihapus dari registri."))
    return redirect(url_for("villages.show_list"), 303)


def _findings(site: Site | None) -> list[tuple[bool, str]]:
    """Return what was found in the files of a village that shall move in: does it forbid that."""
    newest = adoptions.newest_look(site.id) if site is not None else None
    found = adoptions.findings_of(newest) if newest is not None else []
    return [(one.blocks, retell(one.told)) for one in found]


def _weeks(site: Site | None) -> Calendar:
    """Return the calendar of a site's backups; nothing while there is nothing to back up."""
    if site is None or site.state in UNBUILT:
        return []
    return backup_calendar.of_site(site)


def _site(code: str) -> Site:
    site = sites.find_site(villages.get_village(code).id)
    if site is None:
        raise NotFoundError(_("Desa ini belum punya situs."), _("Pasang situsnya dahulu."))
    return site


def _page(
    code: str,
    *,
    rename_form: RenameForm | None = None,
    certificate_form: CertificateForm | None = None,
) -> ResponseReturnValue:
    village = villages.get_village(code)
    site = sites.find_site(village.id)
    sent = rename_form or certificate_form
    return render_template(
        "villages/show.html",
        village=village,
        site=site,
        lives=bulk.lives(site),
        weeks=_weeks(site),
        history=overview.targets_of_site(site.id) if site is not None else [],
        findings=_findings(site),
        kept=restorations.kept_of(site) if site is not None else None,
        rename_form=rename_form or RenameForm(formdata=None, data={"nama_desa": village.name}),
        certificate_form=certificate_form or CertificateForm(formdata=None, obj=site),
    ), 200 if sent is None else sent.status
