"""Settings of the fleet: regency, official list, pace, drain switch."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from siappakai.models import Role
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import official, places
from siappakai.services import settings as registry_settings
from siappakai.services.settings import (
    PARALLELISM,
    REQUIRE_TOTP_FOR_ADMINS,
    SESSION_HOURS,
    SESSION_IDLE_MINUTES,
    TIMEZONE,
)
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.settings import (
    FleetForm,
    OfficialListForm,
    RegencyForm,
    SecurityForm,
)
from siappakai.web.identity import actor
from siappakai.web.security import requires

blueprint = Blueprint("settings", __name__, url_prefix="/settings")

# Keys of settings, and names of the form's fields.
_SECURITY: Final = (SESSION_IDLE_MINUTES, SESSION_HOURS, REQUIRE_TOTP_FOR_ADMINS)


@blueprint.get("/")
@requires(Role.ADMIN)
def show() -> ResponseReturnValue:
    return _page()


@blueprint.post("/regency")
@requires(Role.ADMIN)
def set_regency() -> ResponseReturnValue:
    form = RegencyForm()
    if form.accepted():
        saved = form.attempt(
            places.set_regency,
            code=form.code.data,
            name=form.name.data,
            province_name=form.province_name.data,
            village_word=form.village_word.data,
            hamlet_word=form.hamlet_word.data,
            by=actor(),
        )
        if saved is not None:
            return _done(_("Data kabupaten disimpan."))
    return _page(regency_form=form)


@blueprint.post("/official-list")
@requires(Role.ADMIN)
def load_official_list() -> ResponseReturnValue:
    form = OfficialListForm()
    if form.accepted():
        count = form.attempt(official.load_official_list, form.file.data.read(), by=actor())
        if count is not None:
            return _done(ngettext("%(num)s desa dimuat.", "%(num)s desa dimuat.", count))
    return _page(official_form=form)


@blueprint.post("/fleet")
@requires(Role.ADMIN)
def set_fleet() -> ResponseReturnValue:
    form = FleetForm()
    saved = form.accepted() and form.attempt(_save_fleet, form)
    if saved:
        return _done(_("Pengaturan disimpan."))
    return _page(fleet_form=form)


@blueprint.post("/security")
@requires(Role.ADMIN)
@asks_again
def set_security() -> ResponseReturnValue:
    form = SecurityForm()
    if form.accepted() and form.attempt(_save_security, form):
        return _done(_("Pengaturan disimpan."))
    return _page(security_form=form)


@blueprint.post("/drain/<any(on, off):state>")
@requires(Role.ADMIN)
def set_drain(state: str) -> ResponseReturnValue:
    registry_settings.set_drain(drain=state == "on", by=actor())
    if state == "on":
        return _done(_("Armada ditahan: yang berjalan diselesaikan, yang baru menunggu."))
    return _done(_("Armada dilanjutkan."))


def _save_fleet(form: FleetForm) -> bool:
    with transaction():
        registry_settings.put(PARALLELISM, form.parallelism.data, by=actor())
        registry_settings.put(TIMEZONE, form.timezone.data, by=actor())
    return True


def _save_security(form: SecurityForm) -> bool:
    with transaction():
        for key in _SECURITY:
            registry_settings.put(key, form[key].data, by=actor())
    return True


def _done(message: str) -> ResponseReturnValue:
    flash(message)
    return redirect(url_for("settings.show"), 303)


def _page(
    regency_form: RegencyForm | None = None,
    official_form: OfficialListForm | None = None,
    fleet_form: FleetForm | None = None,
    security_form: SecurityForm | None = None,
) -> ResponseReturnValue:
    forms: dict[str, Any] = {
        "regency_form": regency_form or RegencyForm(formdata=None, obj=places.find_regency()),
        "official_form": official_form or OfficialListForm(formdata=None),
        "fleet_form": fleet_form
        or FleetForm(formdata=None, data=registry_settings.get_many([PARALLELISM, TIMEZONE])),
        "security_form": security_form
        or SecurityForm(formdata=None, data=registry_settings.get_many(list(_SECURITY))),
    }
    return render_template(
        "settings/show.html",
        **forms,
        default_parallelism=current_settings().global_parallelism,
        has_official_list=places.has_official_list(),
    ), max(form.status for form in forms.values())
