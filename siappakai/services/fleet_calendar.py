"""The fleet's calendar of backups, counted every few minutes and kept.

A month of backups of a thousand villages takes longer to read than a page may take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy.exc import IntegrityError

from siappakai.models import Setting, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import backup_calendar
from siappakai.services.backup_calendar import Calendar, Day

_KEY: Final = "backup_calendar"
_EVERY: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Kept:
    """The calendar as it was counted at a time."""

    counted_at: datetime
    weeks: Calendar


def kept() -> Kept | None:
    """Return what was counted last; None before the first time."""
    stored = db.session.get(Setting, _KEY)
    if stored is None:
        return None
    weeks = [[_day(told) for told in week] for week in stored.value["weeks"]]
    return Kept(datetime.fromisoformat(stored.value["counted_at"]), weeks)


def count_if_due(now: datetime | None = None) -> bool:
    """Count and keep it unless that was done a moment ago; return whether it was counted."""
    now = now or utc_now()
    last = kept()
    if last is not None and timedelta(0) <= now - last.counted_at < _EVERY:
        return False
    weeks = [[_told(day) for day in week] for week in backup_calendar.of_fleet(now)]
    value = {"counted_at": now.isoformat(), "weeks": weeks}
    try:
        with transaction() as session:
            session.merge(Setting(key=_KEY, value=value, updated_by="clock"))
    except IntegrityError:
        return False  # the very first time, and another clock counted at the same moment
    return True


def _told(day: Day | None) -> dict[str, Any] | None:
    return None if day is None else {**asdict(day), "date": day.date.isoformat()}


def _day(told: Mapping[str, Any] | None) -> Day | None:
    if told is None:
        return None
    return Day(**{**told, "date": date.fromisoformat(told["date"])})
