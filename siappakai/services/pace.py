"""How much longer a run will take, judged by what such runs took on its server lately."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import StatisticsError, linear_regression

from sqlalchemy import func, select

from siappakai.domain.states import RunState
from siappakai.models import Run, Target, db, utc_now

_RUNS = 20
# Among as many of its kind, on all servers, they are looked for.
_LOOKED_AT = 200


def time_left(run: Run, *, now: datetime | None = None) -> timedelta | None:
    """Return how much longer a run at work will take.

    None when that is not known: it does not run, nothing like it ever succeeded on its server,
    or it takes longer than it should.
    """
    if run.state is not RunState.RUNNING or run.started_at is None:
        return None
    usual = _usual_seconds(run)
    if usual is None:
        return None
    left = run.started_at + timedelta(seconds=usual) - (now or utc_now())
    return left if left > timedelta() else None


def _usual_seconds(run: Run) -> float | None:
    past = _history(run)
    if not past:
        return None
    targets = db.session.scalar(select(func.count()).where(Target.run_id == run.id)) or 0
    sizes, seconds = zip(*past, strict=True)
    try:
        # What every run costs, and what each target adds.
        slope, fixed = linear_regression(sizes, seconds)
    except StatisticsError:  # fewer than two of them, or all of one size
        slope, fixed = sum(seconds) / sum(sizes), 0.0
    return float(fixed + slope * targets)


def _history(run: Run) -> list[tuple[int, float]]:
    """Return targets and seconds of the last runs of this kind that succeeded on the server.

    Asked each second by whoever watches a run, so it looks at a bounded number of runs, each by
    its own targets.
    """
    here = db.session.scalar(select(Target.server_id).where(Target.run_id == run.id).limit(1))
    recent = (
        select(Run.id, Run.started_at, Run.ended_at)
        .where(Run.play == run.play, Run.state == RunState.SUCCEEDED)
        .order_by(Run.id.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    of_run = Target.run_id == recent.c.id
    server = select(Target.server_id).where(of_run).limit(1).scalar_subquery()
    size = select(func.count(Target.id)).where(of_run).scalar_subquery()
    query = select(size, recent.c.started_at, recent.c.ended_at).where(server == here)
    rows = db.session.execute(query.limit(_RUNS))
    return [(n, (end - start).total_seconds()) for n, start, end in rows if n and start and end]
