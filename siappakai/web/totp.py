"""Codes of the phone as a second step: setting them up, and switching them off."""

from __future__ import annotations

from io import BytesIO

import segno
from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.models import Role
from siappakai.services import totp
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.users import CodeForm
from siappakai.web.identity import actor, present
from siappakai.web.security import requires

blueprint = Blueprint("totp", __name__, url_prefix="/totp")


@blueprint.get("/")
@requires(Role.VIEWER)
def show() -> ResponseReturnValue:
    return _page(CodeForm(formdata=None))


@blueprint.post("/begin")
@requires(Role.VIEWER)
@asks_again
def begin() -> ResponseReturnValue:
    totp.begin(present().id, by=actor())
    return redirect(url_for("totp.show"), 303)


@blueprint.get("/qr.svg")
@requires(Role.VIEWER)
def qr() -> ResponseReturnValue:
    enrolment = totp.enrolment(present().id)
    if enrolment is None:
        abort(404)
    picture = BytesIO()
    segno.make(enrolment.uri).save(picture, kind="svg", scale=5, light="white")
    return picture.getvalue(), 200, {"Content-Type": "image/svg+xml"}


@blueprint.post("/confirm")
@requires(Role.VIEWER)
def confirm() -> ResponseReturnValue:
    form = CodeForm()
    if form.accepted():
        codes = form.attempt(totp.confirm, present().id, form.code.data, by=actor())
        if codes is not None:
            return render_template("totp/recovery_codes.html", codes=codes)
    return _page(form)


@blueprint.post("/recovery-codes")
@requires(Role.VIEWER)
@asks_again
def renew_recovery_codes() -> ResponseReturnValue:
    codes = totp.new_recovery_codes(present().id, by=actor())
    return render_template("totp/recovery_codes.html", codes=codes)


@blueprint.post("/off")
@requires(Role.VIEWER)
@asks_again
def switch_off() -> ResponseReturnValue:
    totp.switch_off(present().id, by=actor())
    flash(_("Kode dua langkah dimatikan."))
    return redirect(url_for("totp.show"), 303)


def _page(form: CodeForm) -> ResponseReturnValue:
    enrolment = totp.enrolment(present().id)
    return render_template("totp/show.html", form=form, enrolment=enrolment), form.status
