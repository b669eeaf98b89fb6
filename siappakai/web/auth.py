"""Signing in and out, and one's own password."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.models import LoginSession, Role, User
from siappakai.services import accounts, sessions, totp
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.users import CodeForm, LoginForm, PasswordForm
from siappakai.web.identity import (
    actor,
    await_code,
    begin_session,
    caller,
    finish_session,
    present,
    signed_in,
    waiting,
)
from siappakai.web.security import requires, safe_next
from siappakai.wording import say

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
            return _enter(user, target)
    return render_template("auth/login.html", form=form), form.status


@blueprint.route("/login/code", methods=["GET", "POST"])
def code() -> ResponseReturnValue:
    login = waiting()
    if login is None:
        raise RefusedError(
            say("Tidak ada login yang menunggu kode."),
            say("Masuk dahulu dengan kata sandi; kode lalu diminta."),
        )
    form = CodeForm()
    if form.accepted() and _prove(form, login):
        user_id = login.user_id
        sessions.sign_out(login.id)
        begin_session(user_id)
        return redirect(safe_next(request.args.get("next")), 303)
    return render_template("auth/code.html", form=form), form.status


@blueprint.post("/logout")
@requires(Role.VIEWER)
def logout() -> ResponseReturnValue:
    finish_session()
    return redirect(url_for("auth.login"), 303)


@blueprint.route("/password", methods=["GET", "POST"])
@requires(Role.VIEWER)
@asks_again
def password() -> ResponseReturnValue:
    form = PasswordForm()
    if form.accepted() and (user := _change_password(form)) is not None:
        begin_session(user.id)
        flash(_("Kata sandi diganti. Sesi lain sudah dikeluarkan."))
        return redirect(url_for("dashboard.show"), 303)
    return render_template("auth/password.html", form=form), form.status


def _enter(user: User, target: str) -> ResponseReturnValue:
    if user.totp_since is None:
        begin_session(user.id)
        return redirect(target, 303)
    await_code(user.id)
    return redirect(url_for("auth.code", next=target), 303)


def _prove(form: CodeForm, login: LoginSession) -> bool:
    try:
        totp.prove(login.user_id, form.code.data or "", address=caller())
    except SiapPakaiError as error:
        form.refuse(error)
        return False
    return True


def _change_password(form: PasswordForm) -> User | None:
    return form.attempt(
        accounts.change_password,
        present().id,
        current=form.current.data,
        new=form.password.data,
        address=caller(),
        by=actor(),
    )
