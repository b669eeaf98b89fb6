"""Accounts of the panel, for administrators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.models import Role, User
from siappakai.services import accounts, sessions, totp
from siappakai.services.sorting import in_order
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.users import UserForm
from siappakai.web.identity import actor
from siappakai.web.labels import ROLES
from siappakai.web.security import requires

blueprint = Blueprint("users", __name__, url_prefix="/users")

_SORTS: Final[dict[str, Callable[[User], Any]]] = {
    "username": lambda user: user.username,
    "role": lambda user: list(Role).index(user.role),
    "login": lambda user: user.last_login_at,
}


@blueprint.get("/")
@requires(Role.ADMIN)
def show_list() -> ResponseReturnValue:
    sort = request.args.get("sort", "username")
    users = in_order(accounts.list_users(), sort, _SORTS)
    return render_template("users/list.html", users=users, sort=sort, roles=ROLES)


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Role.ADMIN)
@asks_again
def create() -> ResponseReturnValue:
    form = UserForm()
    if form.accepted():
        made = form.attempt(
            accounts.create_user,
            username=form.username.data,
            name=form.name.data or "",
            role=Role(form.role.data),
            by=actor(),
        )
        if made is not None:
            user, password = made
            return render_template("users/password.html", user=user, password=password)
    return render_template("users/new.html", form=form), form.status


@blueprint.post("/<int(max=2147483647):user_id>/role")
@requires(Role.ADMIN)
@asks_again
def set_role(user_id: int) -> ResponseReturnValue:
    role = request.form.get("role", "")
    if role not in set(Role):
        abort(400)
    accounts.set_role(user_id, Role(role), by=actor())
    return _back(_("Peran diganti."))


@blueprint.post("/<int(max=2147483647):user_id>/password")
@requires(Role.ADMIN)
@asks_again
def reset_password(user_id: int) -> ResponseReturnValue:
    password = accounts.reset_password(user_id, by=actor())
    user = accounts.get_user(user_id)
    return render_template("users/password.html", user=user, password=password)


@blueprint.post("/<int(max=2147483647):user_id>/totp/reset")
@requires(Role.ADMIN)
@asks_again
def reset_totp(user_id: int) -> ResponseReturnValue:
    totp.reset(user_id, by=actor())
    return _back(_("Kode dua langkah akun itu dihapus dan sesinya dikeluarkan."))


@blueprint.post("/<int(max=2147483647):user_id>/disable")
@requires(Role.ADMIN)
@asks_again
def disable(user_id: int) -> ResponseReturnValue:
    accounts.disable_user(user_id, by=actor())
    return _back(_("Akun ditutup dan sesinya dikeluarkan."))


@blueprint.post("/<int(max=2147483647):user_id>/enable")
@requires(Role.ADMIN)
@asks_again
def enable(user_id: int) -> ResponseReturnValue:
    accounts.enable_user(user_id, by=actor())
    return _back(_("Akun dibuka lagi."))


@blueprint.get("/<int(max=2147483647):user_id>/sessions")
@requires(Role.ADMIN)
def show_sessions(user_id: int) -> ResponseReturnValue:
    user = accounts.get_user(user_id)
    return render_template("users/sessions.html", user=user, sessions=sessions.list_live(user.id))


@blueprint.post("/<int(max=2147483647):user_id>/sessions/end")
@requires(Role.ADMIN)
def end_sessions(user_id: int) -> ResponseReturnValue:
    accounts.end_sessions(user_id, by=actor())
    return _back(_("Semua sesi akun itu dikeluarkan."))


@blueprint.post("/<int(max=2147483647):user_id>/sessions/<int(max=2147483647):session_id>/end")
@requires(Role.ADMIN)
def end_session(user_id: int, session_id: int) -> ResponseReturnValue:
    sessions.end(user_id, session_id, by=actor())
    flash(_("Sesi itu diakhiri."))
    return redirect(url_for("users.show_sessions", user_id=user_id), 303)


def _back(message: str) -> ResponseReturnValue:
    flash(message)
    return redirect(url_for("users.show_list"), 303)
