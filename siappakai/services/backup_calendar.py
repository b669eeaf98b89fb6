"""Which days have a proven backup, which one that was only taken, and which none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from itertools import accumulate
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Case, Select, bindparam, case, func, select

from siappakai.domain.backups import ProofState
from siappakai.domain.states import SiteState
from siappakai.models import Backup, Site, db, utc_now
from siappakai.models.base import UtcDateTime
from siappakai.services import settings, sites

_WEEK: Final = 7
_DAYS: Final = 5 * _WEEK
# The number of any time before the first day.
_BEFORE: Final = -1


class Standing(StrEnum):
    """The worst that is true of a day: something is missing, or not proven; or nothing was due."""

    IDLE = "idle"
    MISSING = "missing"
    TAKEN = "taken"
    PROVEN = "proven"


@dataclass(frozen=True, slots=True)
class Day:
    """How many sites have a proven backup of a day, one that was only taken, and none.

    Missing is one only of a site that was there before that day, and when the day is over.
    """

    date: date
    proven: int
    taken: int
    missing: int

    @property
    def standing(self) -> Standing:
        """The worst of it."""
        if self.missing:
            return Standing.MISSING
        if self.taken:
            return Standing.TAKEN
        return Standing.PROVEN if self.proven else Standing.IDLE


# Weeks from Monday to Sunday; None for what has not come yet.
Calendar = list[list[Day | None]]


@dataclass(frozen=True, slots=True)
class _Count:
    """Of one day: sites with a backup, with a proven one, and with one that was due; all due."""

    have: int = 0
    proven: int = 0
    have_due: int = 0
    due: int = 0


def of_fleet(now: datetime | None = None) -> Calendar:
    """Return the last weeks of all villages in service, training copies left out."""
    span = _Span.ending(now)
    new = dict(db.session.execute(_installed(), span.starts).all())
    due = [*accumulate(new.get(number, 0) for number in range(_DAYS))]
    rows = db.session.execute(_backed_up(), span.starts)
    counts = {
        number: _Count(have, int(proven), int(have_due), due[number])
        for number, have, proven, have_due in rows
    }
    return span.calendar([counts.get(one, _Count(due=due[one])) for one in range(_DAYS)])


def of_site(site: Site, now: datetime | None = None) -> Calendar:
    """Return the last weeks of one site."""
    span = _Span.ending(now)
    found: dict[int, set[ProofState]] = {}
    query = select(_day_of(Backup.taken_at), Backup.proof_state).where(
        Backup.site_id == site.id, Backup.taken_at >= span.first
    )
    for number, state in db.session.execute(query, span.starts):
        found.setdefault(number, set()).add(state)
    since = site.installed_at if site.state is SiteState.ACTIVE else None
    counts = []
    for number in range(_DAYS):
        states = found.get(number, set())
        due = int(since is not None and since < span.start(number))
        have = int(bool(states))
        counts.append(_Count(have, int(ProofState.PROVEN in states), have * due, due))
    return span.calendar(counts)


@dataclass(frozen=True, slots=True)
class _Span:
    """The days that are shown, on the regency's clocks; `today` may not be the last."""

    monday: date
    today: date
    zone: ZoneInfo

    @classmethod
    def ending(cls, now: datetime | None) -> _Span:
        zone = ZoneInfo(str(settings.get(settings.TIMEZONE)))
        today = (now or utc_now()).astimezone(zone).date()
        monday = today - timedelta(days=today.weekday() + _DAYS - _WEEK)
        return cls(monday, today, zone)

    def start(self, number: int) -> datetime:
        """Return when a day begins."""
        return datetime.combine(self.monday + timedelta(days=number), time(), tzinfo=self.zone)

    @property
    def first(self) -> datetime:
        """When the first day begins."""
        return self.start(0)

    @property
    def starts(self) -> dict[str, datetime]:
        """When each begins, as the queries take it."""
        return {f"start{number}": self.start(number) for number in range(_DAYS)}

    def calendar(self, counts: list[_Count]) -> Calendar:
        """Return the weeks with what was counted of each day."""
        days = [self._day(number, count) for number, count in enumerate(counts)]
        return [days[start : start + _WEEK] for start in range(0, _DAYS, _WEEK)]

    def _day(self, number: int, count: _Count) -> Day | None:
        day = self.monday + timedelta(days=number)
        if day > self.today:
            return None
        missing = count.due - count.have_due if day < self.today else 0
        return Day(day, count.proven, count.have - count.proven, missing)


def _day_of(column: Any) -> Case[int]:
    """Return the number of the day in which a time lies."""
    starts = [bindparam(f"start{one}", type_=UtcDateTime) for one in range(_DAYS)]
    newest_first = reversed([(column >= start, one) for one, start in enumerate(starts)])
    # Most sites were installed long before: asked first, that is one comparison.
    return case((column < starts[0], _BEFORE), *newest_first)


@cache
def _installed() -> Select[int, int]:
    """Return the query for how many sites in service are there since which day.

    One that was installed in the course of a day is due from the next.
    """
    day = (_day_of(Site.installed_at) + 1).label("day")
    known = select(day).where(Site.state == SiteState.ACTIVE, sites.is_real())
    found = known.where(Site.installed_at.is_not(None)).subquery()
    return select(found.c.day, func.count()).group_by(found.c.day)


@cache
def _backed_up() -> Select[int, int, int, int]:
    """Return the query for how many sites have a backup of each day, a proven one, one due."""
    start = bindparam("start0", type_=UtcDateTime)
    proven = case((Backup.proof_state == ProofState.PROVEN, 1), else_=0)
    # Once per site and day first: counting what is distinct takes thrice as long.
    of_sites = (
        select(
            _day_of(Backup.taken_at).label("day"),
            func.max(proven).label("proven"),
            func.min(_day_of(Site.installed_at)).label("since"),
        )
        .join(Backup.site)
        .where(Backup.taken_at >= start, Site.state == SiteState.ACTIVE, sites.is_real())
        .group_by(Backup.site_id, "day")
        .subquery()
    )
    found = of_sites.c
    due = func.sum(case((found.since < found.day, 1), else_=0))
    return select(found.day, func.count(), func.sum(found.proven), due).group_by(found.day)
