"""Releases: what the source offers, what is pinned, which PHP each was seen working on."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.models import Role
from siappakai.models.app import current_settings
from siappakai.services import overview, releases, sources
from siappakai.services.releases import AvailableRelease
from siappakai.web.forms.releases import SeenForm
from siappakai.web.identity import actor
from siappakai.web.security import requires

blueprint = Blueprint("releases", __name__, url_prefix="/releases")


@blueprint.get("/")
@requires(Role.VIEWER)
def show_list() -> ResponseReturnValue:
    return _page()


@blueprint.post("/available")
@requires(Role.ADMIN)
def ask_source() -> ResponseReturnValue:
    return _page(available=releases.list_available(by=actor()))


@blueprint.post("/source/<any(configured, stand_in):kind>")
@requires(Role.ADMIN)
def use_source(kind: str) -> ResponseReturnValue:
    sources.use_source(current_settings(), stand_in=kind == "stand_in", by=actor())
    flash(_("Sumber rilis diganti."))
    return redirect(url_for("releases.show_list"), 303)


@blueprint.post("/<version>/pin")
@requires(Role.ADMIN)
def pin(version: str) -> ResponseReturnValue:
    release = releases.pin_release(version, by=actor())
    flash(_("Rilis %(version)s disematkan.", version=release.version))
    return redirect(url_for("releases.show_list"), 303)


@blueprint.post("/<version>/seen")
@requires(Role.ADMIN)
def note_seen(version: str) -> ResponseReturnValue:
    form = SeenForm()
    if form.accepted():
        php = form.php.data.strip()
        if form.attempt(releases.record_php_seen, version, php, by=actor()) is not None:
            flash(_("Dicatat: %(version)s bekerja pada PHP itu.", version=version))
            return redirect(url_for("releases.show_list"), 303)
    return _page(seen_form=form, seen_version=version)


def _page(
    available: list[AvailableRelease] | None = None,
    seen_form: SeenForm | None = None,
    seen_version: str = "",
) -> ResponseReturnValue:
    form = seen_form or SeenForm(formdata=None)
    shares = {share.version: share.sites for share in overview.summarise().releases}
    return render_template(
        "releases/list.html",
        releases=releases.list_releases(),
        shares=shares,
        status=sources.source_status(),
        available=available,
        seen_form=form,
        seen_version=seen_version,
    ), form.status
