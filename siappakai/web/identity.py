"""The person behind a request, found by the random id in the cookie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flask import g, request, session

from siappakai.models import LoginSession, Role, User
from siappakai.services import sessions, settings

# Besides it the cookie carries the CSRF token and a message for the next page, signed.
COOKIE_KEY: Final = "id"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in, in which session, and when they last proved it."""

    id: int
    username: str
    name: str
    role: Role
    language: str
    must_change_password: bool
    has_totp: bool
    must_set_up_totp: bool
    session_id: int
    confirmed_at: datetime


def signed_in() -> Person | None:
    """Return the person signed in, or None; the registry is asked once per request."""
    if "person" not in g:
        g.person = _load(session.get(COOKIE_KEY))
    person: Person | None = g.person
    return person


def present() -> Person:
    """Return the person signed in, where the gate lets in nobody else."""
    person = signed_in()
    if person is None:
        raise RuntimeError("no person is signed in on this request")
    return person


def actor() -> str:
    """Return who acts, as services and the audit log name people."""
    return present().username


def caller() -> str:
    """Return the address a request comes from."""
    return request.remote_addr or "?"


def begin_session(user_id: int) -> None:
    """Sign a person in on a fresh session, so that one planted before is worth nothing."""
    token = sessions.begin(user_id, address=caller(), browser=request.user_agent.string)
    _hold(token)


def await_code(user_id: int) -> None:
    """Remember on a fresh session that a person's password was right."""
    token = sessions.await_code(user_id, address=caller(), browser=request.user_agent.string)
    _hold(token)


def waiting() -> LoginSession | None:
    """Return the login of this browser whose code is due, or None."""
    token = session.get(COOKIE_KEY)
    return sessions.find_waiting(token) if token else None


def finish_session() -> None:
    """Sign out on this browser."""
    sessions.sign_out(present().session_id)
    session.clear()
    g.pop("person", None)


def _hold(token: str) -> None:
    session.clear()
    session.permanent = True
    session[COOKIE_KEY] = token
    g.pop("person", None)


def _load(token: str | None) -> Person | None:
    found = sessions.find(token) if token else None
    if found is None:
        return None
    person = _person(found)
    sessions.keep_alive(found)
    return person


def _person(found: LoginSession) -> Person:
    user = found.user
    return Person(
        id=user.id,
        username=user.username,
        name=user.name or user.username,
        role=user.role,
        language=user.language,
        must_change_password=user.must_change_password,
        has_totp=user.totp_since is not None,
        must_set_up_totp=_must_set_up_totp(user),
        session_id=found.id,
        confirmed_at=found.confirmed_at,
    )


def owes_first_steps(user: User) -> bool:
    """Tell whether a person has to choose a password or set up codes before anything else."""
    return user.must_change_password or _must_set_up_totp(user)


def _must_set_up_totp(user: User) -> bool:
    if user.role is not Role.ADMIN or user.totp_since is not None:
        return False
    return bool(settings.get(settings.REQUIRE_TOTP_FOR_ADMINS))
