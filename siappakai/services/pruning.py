"""Forgetting what nobody asks for any more. The audit trail and what runs did stay for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Delete, delete, func, select
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from siappakai.models import (
    Alert,
    Delivery,
    LogChunk,
    Occurrence,
    Run,
    Step,
    Target,
    registry_now,
)
from siappakai.models.transactions import transaction
from siappakai.services import audit

LOG_DAYS: Final = 90
ALERT_DAYS: Final = 180
OCCURRENCE_DAYS: Final = 365
# The clock does this beside its other work: what is left is forgotten the next time.
_RUNS_AT_ONCE: Final = 2000


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows were forgotten: runs whose log and steps went, alerts, slots of schedules."""

    runs: int
    alerts: int
    occurrences: int


def prune(by: str, now: datetime | None = None) -> Pruned:
    """Forget logs and steps of runs, alerts and slots of schedules that ended long ago.

    Runs, their targets and their messages stay, and so does the newest slot of each schedule.
    """
    with transaction() as session:
        now = now or registry_now(session)
        pruned = Pruned(
            runs=_forget_logs(session, now - timedelta(days=LOG_DAYS)),
            alerts=_forget_alerts(session, now - timedelta(days=ALERT_DAYS)),
            occurrences=_forget_occurrences(session, now - timedelta(days=OCCURRENCE_DAYS)),
        )
        detail = {
            "runs": pruned.runs,
            "alerts": pruned.alerts,
            "occurrences": pruned.occurrences,
        }
        audit.record("registry.prune", "registry", by=by, detail=detail)
    return pruned


def _forget_logs(session: Session, before: datetime) -> int:
    logged = select(LogChunk.run_id).distinct()
    old = (
        select(Run.id)
        .where(Run.ended_at < before, Run.id.in_(logged))
        .order_by(Run.id)
        .limit(_RUNS_AT_ONCE)
    )
    ids = list(session.scalars(old))
    targets = select(Target.id).where(Target.run_id.in_(ids))
    session.execute(delete(Step).where(Step.target_id.in_(targets)))
    session.execute(delete(LogChunk).where(LogChunk.run_id.in_(ids)))
    return len(ids)


def _forget_alerts(session: Session, before: datetime) -> int:
    old = select(Alert.id).where(Alert.ended_at < before)
    session.execute(delete(Delivery).where(Delivery.alert_id.in_(old)))
    return _count(session, delete(Alert).where(Alert.ended_at < before))


def _forget_occurrences(session: Session, before: datetime) -> int:
    newest = select(func.max(Occurrence.id)).group_by(Occurrence.schedule_id)
    kept = set(session.scalars(newest))
    gone = delete(Occurrence).where(Occurrence.fired_at < before, Occurrence.id.not_in(kept))
    return _count(session, gone)


def _count(session: Session, statement: Delete) -> int:
    result = session.execute(statement)
    return result.rowcount if isinstance(result, CursorResult) else 0
