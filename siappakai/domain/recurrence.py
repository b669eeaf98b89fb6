"""When something comes round: every day, on weekdays or a day of the month, at a time of day.

All times here are local and carry no zone: a slot is a day and a time on the regency's clocks,
and stays the same slot when the regency's zone changes. `moment_of` puts it on the world's clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule

from siappakai.domain.alerts import parse_clock_time
from siappakai.errors import InvalidInputError
from siappakai.wording import say


class Every(StrEnum):
    """What a recurrence counts in."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Weekday(StrEnum):
    """Days of the week, Monday first."""

    MONDAY = "mo"
    TUESDAY = "tu"
    WEDNESDAY = "we"
    THURSDAY = "th"
    FRIDAY = "fr"
    SATURDAY = "sa"
    SUNDAY = "su"


_LAST_DAY: Final = 31
# No month is shorter than this.
_SHORTEST_MONTH: Final = 28


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Each day, the `weekdays` of each week or the `month_day` of each month, at `at` (HH:MM).

    A day that a month does not have is its last one.
    """

    every: Every
    at: str
    weekdays: Sequence[str] = ()
    month_day: int | None = None

    def checked(self) -> Recurrence:
        """Return it as it is kept, without what it does not count in.

        Raises InvalidInputError naming the field.
        """
        at = f"{parse_clock_time(self.at, 'at'):%H:%M}"
        if self.every is Every.DAY:
            return Recurrence(self.every, at)
        if self.every is Every.WEEK:
            return Recurrence(self.every, at, weekdays=_check_weekdays(self.weekdays))
        return Recurrence(self.every, at, month_day=_check_month_day(self.month_day))

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Give the slots after a local moment, one after the other."""
        clock = parse_clock_time(self.at, "at")
        begin = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        rule = rrule(
            dtstart=begin, byhour=clock.hour, byminute=clock.minute, bysecond=0, **self._days()
        )
        return iter(rule.xafter(moment))

    def _days(self) -> dict[str, Any]:
        if self.every is Every.DAY:
            return {"freq": DAILY}
        if self.every is Every.WEEK:
            numbers = [list(Weekday).index(Weekday(day)) for day in self.weekdays]
            return {"freq": WEEKLY, "byweekday": numbers}
        day = self.month_day or 1
        # Of the days a month has up to the one wished for, the last.
        return {
            "freq": MONTHLY,
            "bymonthday": range(min(day, _SHORTEST_MONTH), day + 1),
            "bysetpos": -1,
        }


def _check_weekdays(given: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(given) - set(Weekday))
    if unknown or not given:
        raise InvalidInputError(
            say("Hari “%(days)s” tidak dikenal.", days=", ".join(unknown))
            if unknown
            else say("Belum ada hari yang dipilih."),
            say("Pilih dari: %(choices)s.", choices=", ".join(Weekday)),
            field="weekdays",
        )
    return tuple(day.value for day in Weekday if day in given)


def _check_month_day(given: int | None) -> int:
    if given is None or not 1 <= given <= _LAST_DAY:
        raise InvalidInputError(
            say("Tanggal belum sah."),
            say("Isi 1 sampai 31; bulan yang lebih pendek memakai hari terakhirnya."),
            field="month_day",
        )
    return given


def local_time(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return what the clocks of a zone show at a moment, without the zone."""
    return moment.astimezone(zone).replace(tzinfo=None)


def moment_of(slot: datetime, zone: ZoneInfo) -> datetime:
    """Return when a slot is, in UTC.

    A time that clocks skip is as long after the change as it would have been; one that comes
    twice is the first of both.
    """
    return slot.replace(tzinfo=zone).astimezone(UTC)


def spread(slot: datetime, minutes: int, seed: str) -> timedelta:
    """Return by how much less than `minutes` a slot is put off: always the same for a `seed`."""
    if not minutes:
        return timedelta()
    digest = hashlib.sha256(f"{seed} {slot.isoformat()}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8]) % (minutes * 60))
