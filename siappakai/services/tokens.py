"""API tokens: made for a person, shown once, taken back; and who calls with one."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import ClassVar, Final

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from siappakai.domain.tokens import (
    HANDLE_BYTES,
    SECRET_BYTES,
    TokenState,
    check_days,
    check_name,
    check_scopes,
    hash_token,
    read_token,
    write_token,
)
from siappakai.errors import NotFoundError, RefusedError, SiapPakaiError
from siappakai.models import ApiToken, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import accounts, audit, login_throttle
from siappakai.services.permissions import scopes_within
from siappakai.wording import say

# How exactly the last use is known: more often, every request would write.
USED_EVERY: Final = timedelta(minutes=1)

_ADDRESS_LENGTH: Final = 64
# What is compared for an unknown handle, so that the answer takes as long as for a known one.
_NOBODY: Final = hash_token("")


class TokenRefusedError(SiapPakaiError):
    """A token opens nothing: it is unknown, revoked, expired, or its owner's account is shut."""

    status: ClassVar[int] = 401


def create_token(
    user_id: int, *, name: str, scopes: Collection[str], days: int, by: str
) -> tuple[ApiToken, str]:
    """Make a token that acts for a person; return it and its text, which is nowhere kept.

    Raises InvalidInputError naming the field, NotFoundError, RefusedError for a closed account.
    """
    name, lifetime = check_name(name), timedelta(days=check_days(days))
    handle = secrets.token_hex(HANDLE_BYTES)
    text = write_token(handle, secrets.token_urlsafe(SECRET_BYTES))
    with transaction() as session:
        user = accounts.get_user(user_id)
        if not user.is_enabled:
            raise RefusedError(say("Akun itu ditutup."), say("Buka akunnya dahulu."))
        now = utc_now()
        token = ApiToken(
            user=user,
            name=name,
            handle=handle,
            token_hash=hash_token(text),
            scopes=[scope.value for scope in check_scopes(scopes, scopes_within(user.role))],
            created_at=now,
            expires_at=now + lifetime,
        )
        session.add(token)
        detail = {"name": name, "scopes": token.scopes, "days": days}
        audit.record("token.create", subject_of(token), by=by, detail=detail)
    return token, text


def list_tokens(user_id: int | None = None) -> list[ApiToken]:
    """Return the tokens of a person, or of everybody, newest first; those that ended too."""
    query = select(ApiToken).options(joinedload(ApiToken.user, innerjoin=True))
    if user_id is not None:
        query = query.where(ApiToken.user_id == user_id)
    return list(db.session.scalars(query.order_by(ApiToken.id.desc())))


def revoke_token(token_id: int, *, by: str, owner_id: int | None = None) -> ApiToken:
    """Take a token back at once; a second time changes nothing.

    Raises NotFoundError, also when `owner_id` is given and it is another person's.
    """
    with transaction() as session:
        token = session.get(ApiToken, token_id)
        if token is None or owner_id not in {None, token.user_id}:
            raise NotFoundError(
                say("Token nomor %(number)s tidak ada.", number=token_id),
                say("Lihat daftar token."),
            )
        if token.revoked_at is None:
            token.revoked_at = utc_now()
            audit.record("token.revoke", subject_of(token), by=by, detail={"name": token.name})
    return token


def authenticate(text: str, *, address: str) -> ApiToken:
    """Return the live token `text`, with its owner as they are now.

    Raises TokenRefusedError, login_throttle.TooManyAttemptsError when `address` sent too many
    that opened nothing.
    """
    parts = read_token(text)
    found = _find(parts.handle) if parts else None
    kept = found.token_hash if found is not None else _NOBODY
    fits = hmac.compare_digest(kept, parts.digest if parts else "")
    if found is None or not fits:
        raise _refused(None, address, say("Token ini tidak dikenal."))
    # Only whoever holds the whole token is told what became of it.
    if found.revoked_at is not None:
        raise _refused(found, address, say("Token ini sudah dicabut."))
    if found.expires_at <= utc_now():
        raise _refused(found, address, say("Masa berlaku token ini sudah habis."))
    if not found.user.is_enabled:
        raise _refused(found, address, say("Akun pemilik token ini ditutup."))
    return found


def note_use(token: ApiToken, *, address: str) -> None:
    """Note that a token is in use; at most once a minute this writes."""
    now = utc_now()
    if token.used_at is not None and now - token.used_at < USED_EVERY:
        return
    with transaction() as session:
        present = session.get_one(ApiToken, token.id)
        present.used_at, present.used_from = now, address[:_ADDRESS_LENGTH]


def state_of(token: ApiToken, now: datetime | None = None) -> TokenState:
    """Return whether a token still opens anything by itself; its owner's account may be shut."""
    if token.revoked_at is not None:
        return TokenState.REVOKED
    return TokenState.EXPIRED if token.expires_at <= (now or utc_now()) else TokenState.LIVE


def subject_of(token: ApiToken) -> str:
    """Return how the audit log names a token: its owner and its public handle."""
    return f"{token.user.username}:{token.handle}"


def _find(handle: str) -> ApiToken | None:
    query = select(ApiToken).where(ApiToken.handle == handle)
    return db.session.scalar(query.options(joinedload(ApiToken.user, innerjoin=True)))


def _refused(token: ApiToken | None, address: str, what: str) -> SiapPakaiError:
    login_throttle.note_token_failure(subject_of(token) if token else None, address)
    return TokenRefusedError(what, say("Buat token baru di panel, lalu pakai yang itu."))
