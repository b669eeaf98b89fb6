"""Signing in and out, and one's own password."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.models import Role, User
from siappakai.services import accounts
from siappakai.web.forms.users import LoginForm, PasswordForm
from siappakai.web.identity import (
    actor,
    begin_session,
    caller,
    finish_session,
    present,
    signed_in,
)
from siappakai.web.security import requires, safe_next

blueprint = Blueprint("auth", __name__)


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    target = safe_next(request.args.get("next"))
    if signed_in() is not None:
        return redirect(target)
    form = LoginForm()
    if form.accepted():
        user = form.attempt(
            accounts.authenticate,
            form.username.data,
            form.password.data,
            address=caller(),
        )
        if user is not None:
            begin_session(user.id)
            return redirect(target, 303)
    return render_template("auth/login.html", form=form), form.status


@blueprint.post("/logout")
@requires(Role.VIEWER)
def logout() -> ResponseReturnValue:
    finish_session()
    return redirect(url_for("auth.login"), 303)


@blueprint.route("/password", methods=["GET", "POST"])
@requires(Role.VIEWER)
def password() -> ResponseReturnValue:
    form = PasswordForm()
    if form.accepted() and (user := _change_password(form)) is not None:
        begin_session(user.id)
        flash(_("Kata sandi diganti. Sesi lain sudah dikeluarkan."))
        return redirect(url_for("dashboard.show"), 303)
    return render_template("auth/password.html", form=form), form.status


def _change_password(form: PasswordForm) -> User | None:
    return form.attempt(
        accounts.change_password,
        present().id,
        current=form.current.data,
        new=form.password.data,
        by=actor(),
    )
