"""Sessions of the panel: begun at a login, found by each request, ended by anyone concerned."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.orm import joinedload

from siappakai.domain.browsers import browser_words
from siappakai.errors import NotFoundError
from siappakai.models import LoginSession, User, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import audit, settings
from siappakai.wording import say

# How exactly "last seen" is known: more often, every request would write.
SEEN_EVERY: Final = timedelta(minutes=1)
# How long a right password waits for its code.
CODE_WITHIN: Final = timedelta(minutes=5)

_TOKEN_BYTES = 32
_ADDRESS_LENGTH = 64


def begin(user_id: int, *, address: str, browser: str) -> str:
    """Sign a person in, noting the login; return the secret their cookie shall hold.

    `browser` is its User-Agent header. Sessions that ran out are forgotten here.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    now = utc_now()
    with transaction() as session:
        session.execute(delete(LoginSession).where(_is_over(now)))
        user = session.get_one(User, user_id)
        user.last_login_at = now
        idle_until, expires_at = _ends(now, now)
        begun = _new(user.id, token, now, expires_at, address, browser)
        begun.idle_until = idle_until
        session.add(begun)
        detail = {"address": address, "browser": begun.browser}
        audit.record("login.succeed", user.username, by=user.username, detail=detail)
    return token


def await_code(user_id: int, *, address: str, browser: str) -> str:
    """Note that a person's password was right and a code is due; return the cookie's secret."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    now = utc_now()
    with transaction() as session:
        session.execute(delete(LoginSession).where(_is_over(now)))
        waiting = _new(user_id, token, now, now + CODE_WITHIN, address, browser)
        waiting.awaits_code = True
        session.add(waiting)
    return token


def find_waiting(token: str) -> LoginSession | None:
    """Return the login that `token` stands for while its code is due, or None."""
    found = _find(token)
    return found if found is not None and found.awaits_code else None


def find(token: str) -> LoginSession | None:
    """Return the live session of an open account whose cookie holds `token`, with its person."""
    found = _find(token)
    return found if found is not None and not found.awaits_code else None


def _find(token: str) -> LoginSession | None:
    query = select(LoginSession).where(LoginSession.token_hash == _hash(token))
    found = db.session.scalar(query.options(joinedload(LoginSession.user, innerjoin=True)))
    if found is None or not found.user.is_enabled:
        return None
    return found if utc_now() < min(found.idle_until, found.expires_at) else None


def keep_alive(found: LoginSession) -> None:
    """Note that a session is in use; at most once a minute this writes."""
    now = utc_now()
    if now - found.seen_at < SEEN_EVERY:
        return
    with transaction() as session:
        present = session.get(LoginSession, found.id)
        if present is not None:
            present.seen_at = now
            present.idle_until, latest = _ends(present.created_at, now)
            # A shorter rule holds for sessions begun under a longer one.
            present.expires_at = min(present.expires_at, latest)


def note_proof(session_id: int) -> None:
    """Note that the person of a session proved just now who they are."""
    with transaction() as session:
        found = session.get(LoginSession, session_id)
        if found is not None:
            found.confirmed_at = utc_now()
            audit.record("session.confirm", found.user.username, by=found.user.username)


def list_live(user_id: int) -> list[LoginSession]:
    """Return a person's sessions that are not over, the one used last first."""
    query = select(LoginSession).where(
        LoginSession.user_id == user_id,
        LoginSession.awaits_code.is_(False),
        ~_is_over(utc_now()),
    )
    return list(db.session.scalars(query.order_by(LoginSession.seen_at.desc(), LoginSession.id)))


def end(user_id: int, session_id: int, *, by: str) -> None:
    """End one session of a person; raises NotFoundError when they have no such session."""
    with transaction() as session:
        found = session.get(LoginSession, session_id)
        if found is None or found.user_id != user_id:
            raise NotFoundError(
                say("Sesi tidak ada."), say("Mungkin sudah berakhir; lihat daftarnya.")
            )
        detail = {"address": found.address, "browser": found.browser}
        audit.record("session.end", found.user.username, by=by, detail=detail)
        session.delete(found)


def end_others(user_id: int, session_id: int, *, by: str) -> None:
    """End a person's sessions but `session_id`."""
    with transaction() as session:
        session.execute(
            delete(LoginSession).where(
                LoginSession.user_id == user_id, LoginSession.id != session_id
            )
        )
        audit.record("session.end_others", session.get_one(User, user_id).username, by=by)


def drop_all(user_id: int) -> None:
    """End a person's sessions as part of an open transaction, which notes why."""
    db.session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))


def sign_out(session_id: int) -> None:
    """End a session whose person leaves; one that is gone already stays gone."""
    with transaction() as session:
        session.execute(delete(LoginSession).where(LoginSession.id == session_id))


def _new(  # noqa: PLR0917 - the fields of one row
    user_id: int, token: str, now: datetime, until: datetime, address: str, browser: str
) -> LoginSession:
    return LoginSession(
        token_hash=_hash(token),
        user_id=user_id,
        created_at=now,
        seen_at=now,
        confirmed_at=now,
        idle_until=until,
        expires_at=until,
        address=address[:_ADDRESS_LENGTH],
        browser=browser_words(browser),
    )


def _ends(began: datetime, seen: datetime) -> tuple[datetime, datetime]:
    rules = settings.get_many([settings.SESSION_IDLE_MINUTES, settings.SESSION_HOURS])
    idle = timedelta(minutes=rules[settings.SESSION_IDLE_MINUTES])
    return seen + idle, began + timedelta(hours=rules[settings.SESSION_HOURS])


def _is_over(now: datetime) -> ColumnElement[bool]:
    return or_(LoginSession.idle_until <= now, LoginSession.expires_at <= now)


def _hash(token: str) -> str:
    # Random and long: a plain hash cannot be guessed back.
    return hashlib.sha256(token.encode()).hexdigest()
