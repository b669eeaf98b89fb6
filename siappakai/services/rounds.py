"""When clock and lookout last went round: who watches them asks here."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.exc import IntegrityError

from siappakai.models import Setting, db, registry_now
from siappakai.models.transactions import transaction

_LAST_TICK: Final = "last_tick_at"
_LAST_LOOKOUT: Final = "last_lookout_at"


def note_tick() -> None:
    """Keep the time of the clock's round that ends now."""
    _note_round(_LAST_TICK, by="clock")


def last_tick_at() -> datetime | None:
    """Return when the clock last went round, by the registry's time; None before the first."""
    return _last_round(_LAST_TICK)


def note_lookout() -> None:
    """Keep the time of the lookout's round that ends now."""
    _note_round(_LAST_LOOKOUT, by="lookout")


def last_lookout_at() -> datetime | None:
    """Return when the lookout last went round, by the registry's time; None before the first."""
    return _last_round(_LAST_LOOKOUT)


def _note_round(key: str, *, by: str) -> None:
    try:
        with transaction() as session:
            now = registry_now(session).isoformat()
            session.merge(Setting(key=key, value=now, updated_by=by))
    except IntegrityError:
        # The very first round, and another one noted it at the same moment.
        return


def _last_round(key: str) -> datetime | None:
    stored = db.session.get(Setting, key, populate_existing=True)
    return datetime.fromisoformat(stored.value) if stored is not None else None
