"""The person behind a request, found by the session token in the cookie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import Flask, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from siappakai.models import Role, User
from siappakai.services import accounts


@dataclass(frozen=True, slots=True)
class Person(UserMixin):
    """Who is signed in. `token` is what the cookie holds; changing it ends every session."""

    id: int
    username: str
    name: str
    role: Role
    language: str
    must_change_password: bool
    token: str

    def get_id(self) -> str:
        return self.token


def init_identity(app: Flask) -> None:
    """Teach `app` to find the person signed in."""
    # An address that changes under a phone is no theft: Flask-Login's own check is off.
    app.config["SESSION_PROTECTION"] = None
    manager = LoginManager()
    manager.user_loader(_load)
    manager.init_app(app)


def signed_in() -> Person | None:
    """Return the person signed in, or None."""
    person = cast("Person", current_user)
    return person if person.is_authenticated else None


def actor() -> str:
    """Return who acts, as services and the audit log name people."""
    person = signed_in()
    if person is None:
        raise RuntimeError("no person is signed in on this request")
    return person.username


def begin_session(user: User) -> None:
    """Sign `user` in on a fresh session, so that one planted before the login is worth nothing."""
    session.clear()
    session.permanent = True
    login_user(_person(user))


def finish_session() -> None:
    """Sign out on this browser."""
    logout_user()
    session.clear()


def _load(token: str) -> Person | None:
    user = accounts.find_by_session(token)
    return _person(user) if user is not None else None


def _person(user: User) -> Person:
    return Person(
        id=user.id,
        username=user.username,
        name=user.name or user.username,
        role=user.role,
        language=user.language,
        must_change_password=user.must_change_password,
        token=user.session_token,
    )
