"""How the fleet's work went day by day, and which sites nobody has looked at lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from sqlalchemy import Select, bindparam, case, func, or_, select
from sqlalchemy.orm import joinedload

from siappakai.domain.states import RunState, SiteState
from siappakai.models import Run, Site, db, utc_now
from siappakai.models.base import UtcDateTime
from siappakai.services import settings

# A site nobody looked at for so long may have fallen ill unseen.
STALE_AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Day:
    """How many runs ended on one day of the regency's calendar, by how they ended."""

    date: date
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class Stale:
    """The installed sites not looked at for STALE_AFTER: how many, and the longest unseen."""

    count: int
    oldest: list[Site]


def daily_runs(days: int = 30, *, now: datetime | None = None) -> list[Day]:
    """Return the last `days` days, oldest first, today last; cancelled runs count as neither."""
    zone = ZoneInfo(str(settings.get(settings.TIMEZONE)))
    today = (now or utc_now()).astimezone(zone).date()
    dates = [today - timedelta(days=back) for back in reversed(range(days))]
    starts = [datetime.combine(day, time(), tzinfo=zone) for day in dates]
    rows = db.session.execute(
        _ended_by_day(days), {f"start{number}": start for number, start in enumerate(starts)}
    )
    ended = {(dates[number], state): count for number, state, count in rows}
    return [
        Day(day, ended.get((day, RunState.SUCCEEDED), 0), ended.get((day, RunState.FAILED), 0))
        for day in dates
    ]


@cache
def _ended_by_day(days: int) -> Select[int, RunState, int]:
    """Return the query that counts ended runs by day and state; it takes when each day starts.

    The registry counts: thousands of ended runs are a few rows then.
    """
    starts = [bindparam(f"start{number}", type_=UtcDateTime) for number in range(days)]
    newest_first = reversed(list(enumerate(starts)))
    day = case(*((Run.ended_at >= start, number) for number, start in newest_first)).label("day")
    query = select(day, Run.state, func.count()).where(Run.ended_at >= starts[0])
    # Of the states, too, an index would know; SQLite takes that one and reads years.
    return query.group_by("day", Run.state)


def stale_sites(limit: int = 5, *, now: datetime | None = None) -> Stale:
    """Return the installed sites that were not looked at lately."""
    before = (now or utc_now()) - STALE_AFTER
    unseen = or_(Site.checked_at.is_(None), Site.checked_at < before)
    query = select(Site).where(Site.state == SiteState.ACTIVE, unseen)
    count = db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
    oldest = query.order_by(Site.checked_at.is_not(None), Site.checked_at, Site.id).limit(limit)
    shown = oldest.options(joinedload(Site.village))
    return Stale(count, list(db.session.scalars(shown)) if count else [])
