"""One's own sessions: where one is signed in, and ending it there."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.models import Role
from siappakai.services import sessions
from siappakai.web.identity import actor, present
from siappakai.web.security import requires

blueprint = Blueprint("sessions", __name__, url_prefix="/sessions")


@blueprint.get("/")
@requires(Role.VIEWER)
def show_list() -> ResponseReturnValue:
    return render_template("sessions/list.html", sessions=sessions.list_live(present().id))


@blueprint.post("/<int(max=2147483647):session_id>/end")
@requires(Role.VIEWER)
def end(session_id: int) -> ResponseReturnValue:
    sessions.end(present().id, session_id, by=actor())
    return _back(_("Sesi itu diakhiri."))


@blueprint.post("/end-others")
@requires(Role.VIEWER)
def end_others() -> ResponseReturnValue:
    sessions.end_others(present().id, present().session_id, by=actor())
    return _back(_("Semua sesi lain diakhiri."))


def _back(message: str) -> ResponseReturnValue:
    flash(message)
    return redirect(url_for("sessions.show_list"), 303)
