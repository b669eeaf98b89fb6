"""A village is restored from a backup: opened, looked at, confirmed; and taken back."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.domain.codes import parse_village_code
from siappakai.domain.restores import check_scope
from siappakai.errors import InvalidInputError, NotFoundError, RefusedError
from siappakai.models import Backup, Role, Run, Site
from siappakai.services import backups, restorations, restores, sites, villages
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.restores import OpenForm, SwitchForm
from siappakai.web.identity import actor
from siappakai.web.security import requires

# Opening one takes as long as its store takes to send it; a web process shall not wait longer.
MOST_BYTES: Final = 256 << 20

blueprint = Blueprint("restores", __name__, url_prefix="/villages/<code>/restore")


@blueprint.route("", methods=["GET", "POST"])
@requires(Role.ADMIN)
def show(code: str) -> ResponseReturnValue:
    site = _site(code)
    form = OpenForm()
    form.offer(_offered(site))
    if form.accepted():
        run = form.attempt(_look, site, form)
        if run is not None:
            flash(_("Cadangan dibandingkan; perbedaannya tampil di halaman pemulihan desa ini."))
            return redirect(url_for("runs.show", run_id=run.id), 303)
    return _page(site, form, SwitchForm(formdata=None)), form.status


@blueprint.post("/confirm")
@requires(Role.ADMIN)
@asks_again
def confirm(code: str) -> ResponseReturnValue:
    site = _site(code)
    form = SwitchForm()
    if form.accepted():
        run = form.attempt(_restore, site, form)
        if run is not None:
            return redirect(url_for("runs.show", run_id=run.id), 303)
    opening = OpenForm(formdata=None)
    opening.offer(_offered(site))
    return _page(site, opening, form), form.status


@blueprint.post("/undo")
@requires(Role.ADMIN)
@asks_again
def undo(code: str) -> ResponseReturnValue:
    run = restorations.request_undo(_site(code), by=actor())
    return redirect(url_for("runs.show", run_id=run.id), 303)


@blueprint.post("/forget")
@requires(Role.ADMIN)
@asks_again
def forget(code: str) -> ResponseReturnValue:
    run = restorations.request_forget(_site(code), by=actor())
    return redirect(url_for("runs.show", run_id=run.id), 303)


def refuse_large(backup: Backup, todo: str) -> None:
    """Raise RefusedError for a backup that a page cannot open in good time."""
    if backup.size > MOST_BYTES:
        raise RefusedError(_("Cadangan ini terlalu besar untuk dibuka lewat halaman ini."), todo)


def _site(code: str) -> Site:
    site = sites.find_site(villages.get_village(code).id)
    if site is None:
        raise NotFoundError(_("Desa ini belum punya situs."), _("Pasang situsnya dahulu."))
    return site


def _offered(site: Site) -> list[Backup]:
    return [one for one in backups.list_backups(site_id=site.id).items if one.is_stored]


def _look(site: Site, form: OpenForm) -> Run:
    scope = check_scope(form.scope)
    chosen = backups.get_backup(form.backup_id.data)
    opened = restorations.opened_of(site)
    if opened is None or opened.id != chosen.id or form.key.data:
        refuse_large(chosen, _("Pakai: siappakai backup restore, di mesin panel."))
        restores.open_backup(chosen, identity=form.key.data or "", by=actor())
    return restorations.request(site, scope=scope, only_look=True, by=actor())


def _restore(site: Site, form: SwitchForm) -> Run:
    if parse_village_code(form.typed_code.data or "").plain != site.village.code:
        raise InvalidInputError(
            _("Itu bukan kode desa ini."), _("Periksa lagi desanya."), field="typed_code"
        )
    look = restorations.newest_look(site.id)
    if look is None:
        raise RefusedError(
            _("Perbedaannya belum dilihat."), _("Bandingkan cadangannya dahulu, lalu tegaskan.")
        )
    digest = restorations.digest_seen(look.run, site)
    return restorations.request(
        site, scope=look.run.options["scope"], only_look=False, by=actor(), digest=digest
    )


def _page(site: Site, form: OpenForm, switch_form: SwitchForm) -> str:
    look = restorations.newest_look(site.id)
    return render_template(
        "villages/restore.html",
        site=site,
        village=site.village,
        form=form,
        switch_form=switch_form,
        look=look,
        change=restorations.change_of(look) if look is not None else {},
        kept=restorations.kept_of(site),
    )
