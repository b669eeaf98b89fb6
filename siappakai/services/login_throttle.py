"""Slow down guessing of passwords. Failures are counted in the audit trail.

So the count is shared by all panel processes, survives a restart and needs no queue.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from sqlalchemy import ColumnElement, func, select

from siappakai.errors import RefusedError
from siappakai.models import AuditEntry, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import audit
from siappakai.wording import say

WINDOW = timedelta(minutes=15)
# One address guessing one account; one address guessing any; anybody guessing one account. The
# last is generous, because it shuts the owner out as well.
PER_PAIR = 5
PER_ADDRESS = 20
PER_ACCOUNT = 50
# Wrong codes of one account, from anywhere: whoever is asked for one knows the password, so the
# owner is shut out only by somebody who does.
PER_ACCOUNT_CODES = 10

_ACTION = "login.fail"
_CODE_ACTION = "login.fail_code"
_REFUSED_ACTION = "token.fail"
# A password typed into the wrong field must not be kept, so unknown names are not written down.
_UNKNOWN = "?"


class TooManyAttemptsError(RefusedError):
    """Too many failed logins; try again after a while."""

    status: ClassVar[int] = 429


def check(username: str, address: str) -> None:
    """Raise TooManyAttemptsError when `username` or `address` failed too often of late."""
    from_here = AuditEntry.actor == address
    on_account = AuditEntry.subject == username
    for limit, conditions in (
        (PER_PAIR, (from_here, on_account)),
        (PER_ADDRESS, (from_here,)),
        (PER_ACCOUNT, (on_account,)),
    ):
        if _failures(_ACTION, *conditions) >= limit:
            raise _too_many()


def check_code(username: str) -> None:
    """Raise TooManyAttemptsError when codes for `username` were wrong too often of late."""
    if _failures(_CODE_ACTION, AuditEntry.subject == username) >= PER_ACCOUNT_CODES:
        raise _too_many()


def note_failure(username: str | None, address: str) -> None:
    """Count one failure; `username` is None for an account that does not exist."""
    with transaction():
        audit.record(_ACTION, username or _UNKNOWN, by=address)


def note_code_failure(username: str, address: str) -> None:
    """Count one wrong code of an account whose password was right."""
    with transaction():
        audit.record(_CODE_ACTION, username, by=address)


def note_token_failure(subject: str | None, address: str) -> None:
    """Count one API token that opened nothing; raise TooManyAttemptsError when there were many.

    Asked for after the token was looked at: nobody guesses one, so a right one is let in from
    wherever a forgotten program keeps sending an old one. The limit spares the audit trail.
    """
    if _failures(_REFUSED_ACTION, AuditEntry.actor == address) >= PER_ADDRESS:
        raise _too_many()
    with transaction():
        audit.record(_REFUSED_ACTION, subject or _UNKNOWN, by=address)


def _too_many() -> TooManyAttemptsError:
    minutes = int(WINDOW.total_seconds() // 60)
    return TooManyAttemptsError(
        say("Terlalu banyak percobaan masuk yang gagal."),
        say("Coba lagi %(minutes)s menit lagi.", minutes=minutes),
    )


def _failures(action: str, *conditions: ColumnElement[bool]) -> int:
    recent = (AuditEntry.action == action, AuditEntry.at > utc_now() - WINDOW)
    return db.session.scalar(select(func.count(AuditEntry.id)).where(*recent, *conditions)) or 0
