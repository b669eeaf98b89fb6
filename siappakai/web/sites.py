"""Sites: install, check and remove them, for one village or a selection."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.models import Role, Run
from siappakai.services import bulk, renewals, sites
from siappakai.services.bulk import Placement
from siappakai.services.permissions import least_role
from siappakai.services.villages import VillageRow
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.villages import InstallForm, RemoveForm
from siappakai.web.identity import actor
from siappakai.web.security import requires
from siappakai.web.selection import picked, picked_sites

blueprint = Blueprint("sites", __name__, url_prefix="/sites")


@blueprint.post("/install/choose")
@requires(least_role("install"))
def choose_install() -> ResponseReturnValue:
    form = InstallForm(formdata=None)
    form.offer()
    return _install_page(form, picked())


@blueprint.post("/install")
@requires(least_role("install"))
def install() -> ResponseReturnValue:
    form = InstallForm()
    form.offer()
    rows = picked()
    if all(bulk.lives(row.site) for row in rows):
        del form.server_id
    if form.accepted():
        runs = form.attempt(
            bulk.install_villages,
            [_placement(row) for row in rows],
            release_id=form.release_id.data,
            server_id=form.server_id.data if "server_id" in form else None,
            by=actor(),
        )
        if runs is not None:
            return _to_runs(runs)
    return _install_page(form, rows)


@blueprint.post("/health")
@requires(least_role("health"))
def check_health() -> ResponseReturnValue:
    ids = [site.id for site in picked_sites()]
    return _to_runs(sites.request_health(site_ids=ids, by=actor()))


@blueprint.post("/remove/choose")
@requires(least_role("remove"))
def choose_remove() -> ResponseReturnValue:
    return render_template(
        "sites/remove.html", form=RemoveForm(formdata=None), sites=picked_sites()
    )


@blueprint.post("/remove")
@requires(least_role("remove"))
@asks_again
def remove() -> ResponseReturnValue:
    form = RemoveForm()
    chosen = picked_sites()
    if form.accepted():
        runs = form.attempt(
            sites.request_remove,
            site_ids=[site.id for site in chosen],
            confirmed_count=form.confirmed_count.data,
            by=actor(),
        )
        if runs is not None:
            return _to_runs(runs)
    return render_template("sites/remove.html", form=form, sites=chosen), form.status


@blueprint.post("/<int(max=2147483647):site_id>/admin-login")
@requires(Role.ADMIN)
@asks_again
def reveal_admin_login(site_id: int) -> ResponseReturnValue:
    username, password = sites.admin_login(site_id, by=actor())
    return render_template(
        "sites/admin_login.html",
        site=sites.get_site(site_id),
        username=username,
        password=password,
    )


@blueprint.post("/db-passwords")
@requires(Role.ADMIN)
@asks_again
def renew_db_passwords() -> ResponseReturnValue:
    ids = [site.id for site in picked_sites()]
    return _to_runs(renewals.renew_db_passwords(site_ids=ids, by=actor()))


def _placement(row: VillageRow) -> Placement:
    code = row.village.code
    return Placement(code, request.form.get(f"domain-{code}", ""))


def _install_page(form: InstallForm, rows: list[VillageRow]) -> ResponseReturnValue:
    homeless = [row for row in rows if not bulk.lives(row.site)]
    housed = [row for row in rows if bulk.lives(row.site)]
    return render_template(
        "sites/install.html", form=form, homeless=homeless, housed=housed
    ), form.status


def _to_runs(runs: list[Run]) -> ResponseReturnValue:
    if runs:
        flash(_("Pekerjaan diminta."))
    if len(runs) == 1:
        return redirect(url_for("runs.show", run_id=runs[0].id), 303)
    return redirect(url_for("runs.show_list"), 303)
