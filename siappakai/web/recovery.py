"""Regaining this very panel: the registry's backups, and the kit that opens them elsewhere."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.errors import SiapPakaiError
from siappakai.models import Role
from siappakai.services import recovery_kits, registry_backups
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.recovery import KitForm
from siappakai.web.identity import actor
from siappakai.web.security import requires

blueprint = Blueprint("recovery", __name__, url_prefix="/recovery")


@blueprint.get("/")
@requires(Role.VIEWER)
def show() -> ResponseReturnValue:
    return _page()


@blueprint.post("/backup")
@requires(Role.OPERATOR)
def back_up() -> ResponseReturnValue:
    registry_backups.request(by=actor())
    flash(_("Pencadangan registri diminta; hasilnya tampil di sini sebentar lagi."))
    return redirect(url_for("recovery.show"), 303)


@blueprint.post("/kit")
@requires(Role.ADMIN)
@asks_again
def make_kit() -> ResponseReturnValue:
    kit = recovery_kits.make(by=actor())
    return render_template("recovery/kit.html", kit=kit, form=KitForm(formdata=None))


@blueprint.post("/kit/confirm")
@requires(Role.ADMIN)
def confirm_kit() -> ResponseReturnValue:
    form = KitForm()
    if form.accepted():
        standing = form.attempt(recovery_kits.confirm, form.number.data, by=actor())
        if standing is not None:
            flash(_("Dicatat: kit pemulihan itu disimpan dan masih berlaku."))
            return redirect(url_for("recovery.show"), 303)
    return _page(form)


def _page(form: KitForm | None = None) -> ResponseReturnValue:
    form = form or KitForm(formdata=None)
    try:
        kit = recovery_kits.standing()
    except SiapPakaiError as problem:
        kit = None
        form.refuse(problem)
    return render_template(
        "recovery/show.html",
        registry=registry_backups.standing(),
        copies=registry_backups.list_copies(),
        kit=kit,
        form=form,
    ), form.status
