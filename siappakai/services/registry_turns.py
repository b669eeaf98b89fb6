"""Whose turn it is to back up the registry: one at a time, what failed again after a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from siappakai.errors import ConflictError
from siappakai.models import Setting, db, registry_now
from siappakai.models.transactions import transaction
from siappakai.wording import pack, say

CLOCK: Final = "clock"
_STATE: Final = "registry_backup"
# What failed is tried again this much later.
_PAUSE: Final = timedelta(minutes=10)
# One that nobody has moved on for so long was killed.
_ABANDONED: Final = timedelta(minutes=15)


def is_resting(now: datetime) -> bool:
    """Tell whether one is at work, or failed just now."""
    noted = kept()
    busy, tried = noted.get("busy_at", ""), noted.get("tried_at", "")
    return (bool(busy) and now - datetime.fromisoformat(busy) < _ABANDONED) or (
        bool(tried) and now - datetime.fromisoformat(tried) < _PAUSE
    )


def claim() -> None:
    """Note that one is at work; raises ConflictError when another one is."""
    with transaction() as session:
        # Two at once wait here for each other.
        session.get(Setting, _STATE, with_for_update=True)
        now, busy = registry_now(session), kept().get("busy_at", "")
        if busy and now - datetime.fromisoformat(busy) < _ABANDONED:
            raise ConflictError(
                say("Registri sedang dicadangkan."), say("Tunggu sampai selesai, lalu periksa.")
            )
        keep(busy_at=now.isoformat())


def move_on() -> None:
    """Note that the one at work goes on."""
    with transaction() as session:
        keep(busy_at=registry_now(session).isoformat())


def end(failure: str) -> None:
    """Note that it ended, and what it failed of; nothing when it did not."""
    with transaction() as session:
        now = registry_now(session).isoformat()
        keep(busy_at="", tried_at=now, failure=pack(failure))


def kept() -> dict[str, Any]:
    """Return what is noted."""
    stored = db.session.get(Setting, _STATE)
    return dict(stored.value) if stored is not None else {}


def keep(**changes: Any) -> None:
    """Note something in the open transaction."""
    value = {**kept(), **changes}
    db.session.merge(Setting(key=_STATE, value=value, updated_by=CLOCK))


def begin_anew() -> None:
    """Forget, in the open transaction, what a registry that was brought back was doing."""
    keep(busy_at="", tried_at="", asked_at="", failure="")
