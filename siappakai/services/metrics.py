"""Figures about the fleet for whoever draws curves of them.

Asked for every few seconds, so each is read through an index and none looks further back than
a day: what ended before that is history, which the panel shows.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Subquery, func, select, union

from siappakai.domain.states import TERMINAL, RunState, SiteState
from siappakai.models import Release, Run, Site, Target, Village, db
from siappakai.models.app import current_settings

WINDOW: Final = timedelta(hours=24)
# On a busy day the newest are enough to tell how long runs take.
_DURATIONS: Final = 2_000
_OPEN: Final = (RunState.QUEUED, RunState.RUNNING, RunState.LOST)


def count_runs(now: datetime) -> dict[RunState, int]:
    """Return how many runs are open, and how many ended within the window, by state."""
    recent = _recent_runs(now)
    query = select(recent.c.state, func.count()).group_by(recent.c.state)
    found = {state: int(count) for state, count in db.session.execute(query)}
    return dict.fromkeys(RunState, 0) | found


def count_targets(now: datetime) -> dict[RunState, int]:
    """Return how many targets those runs have, by state."""
    recent = _recent_runs(now)
    query = (
        select(Target.state, func.count())
        .select_from(recent)
        .join(Target, Target.run_id == recent.c.id)
        .group_by(Target.state)
    )
    found = {state: int(count) for state, count in db.session.execute(query)}
    return dict.fromkeys(RunState, 0) | found


def durations(now: datetime) -> dict[str, list[float]]:
    """Return how many seconds the newest runs that ended within the window took, by play."""
    query = (
        select(Run.play, Run.state, Run.started_at, Run.ended_at)
        # Not by state: that index would lead through all runs there ever were.
        .where(Run.ended_at >= now - WINDOW)
        .order_by(Run.ended_at.desc())
        .limit(_DURATIONS)
    )
    found: defaultdict[str, list[float]] = defaultdict(list)
    for play, state, started, ended in db.session.execute(query):
        if state in TERMINAL and started and ended:
            found[play].append((ended - started).total_seconds())
    return dict(found)


def oldest_queued_seconds(now: datetime) -> float:
    """Return how long the oldest queued run has waited; 0 when none waits."""
    since = db.session.scalar(select(func.min(Run.created_at)).where(Run.state == RunState.QUEUED))
    return _age(now, since)


def lease_ages(now: datetime) -> list[float]:
    """Return, for each running run, how many seconds ago its worker last gave a sign of life."""
    lasting = timedelta(seconds=current_settings().lease_seconds)
    query = select(Run.lease_until).where(Run.state == RunState.RUNNING)
    return [_age(now, until - lasting) for until in db.session.scalars(query) if until]


def count_villages() -> int:
    """Return how many villages there are."""
    return db.session.scalar(select(func.count(Village.code))) or 0


def count_sites() -> dict[tuple[str, SiteState], int]:
    """Return how many sites serve each version, by state; "" is none yet, removed ones apart."""
    query = select(Site.release_id, Site.state, func.count()).group_by(Site.release_id, Site.state)
    versions = {release.id: release.version for release in db.session.scalars(select(Release))}
    found: defaultdict[tuple[str, SiteState], int] = defaultdict(int)
    for number, state, count in db.session.execute(query):
        if state is not SiteState.REMOVED:
            # Two apps may have versions of the same name.
            found[versions[number] if number else "", state] += count
    return dict(found)


def _recent_runs(now: datetime) -> Subquery:
    """Select the open runs and those that ended within the window, each by its own index."""
    still_open = select(Run.id, Run.state).where(Run.state.in_(_OPEN))
    ended = select(Run.id, Run.state).where(Run.ended_at >= now - WINDOW)
    return union(still_open, ended).subquery()


def _age(now: datetime, since: datetime | None) -> float:
    return max((now - since).total_seconds(), 0.0) if since is not None else 0.0
