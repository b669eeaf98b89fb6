"""Forgetting what nobody asks for any more. The audit trail and what runs did stay for good.

A registry in SQLite has one writer at a time, so that everything goes in small transactions with
a pause after each: whoever waits to write has a turn. What was cut off goes on the next time.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, delete, func, select

from siappakai.domain.backups import CopyState
from siappakai.models import (
    Alert,
    Backup,
    BackupCopy,
    Base,
    Delivery,
    LogChunk,
    Occurrence,
    Run,
    Step,
    Target,
    db,
    registry_now,
)
from siappakai.models.transactions import transaction
from siappakai.services import audit

LOG_DAYS: Final = 90
ALERT_DAYS: Final = 180
OCCURRENCE_DAYS: Final = 365
BACKUP_DAYS: Final = 90
ROWS_AT_ONCE: Final = 5000
# A chunk of a log is worth some hundred steps.
_CHUNKS_AT_ONCE: Final = 100
_RUNS_AT_ONCE: Final = 20
# What waits for SQLite looks again every tenth of a second.
_PAUSE_SECONDS: Final = 0.11
# The clock does this beside its other work: what is left is forgotten at its next round.
_MOST_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows were forgotten: runs whose log and steps went, alerts, slots, backups.

    `is_complete` tells whether nothing old is left.
    """

    runs: int
    alerts: int
    occurrences: int
    backups: int = 0
    is_complete: bool = True


def prune(by: str, now: datetime | None = None) -> Pruned:
    """Forget logs and steps of runs, alerts and slots of schedules that ended long ago.

    Runs, their targets and their messages stay, and so does the newest slot of each schedule. Of
    backups goes what the rules let go long ago and no store has any more.
    Not to be called inside a transaction, which would hold up all others for as long.
    """
    now = now or registry_now(db.session())
    sweep = _Sweep(time.monotonic() + _MOST_SECONDS)
    pruned = Pruned(
        alerts=_forget_alerts(sweep, now - timedelta(days=ALERT_DAYS)),
        occurrences=_forget_occurrences(sweep, now - timedelta(days=OCCURRENCE_DAYS)),
        backups=_forget_backups(sweep, now - timedelta(days=BACKUP_DAYS)),
        runs=_forget_logs(sweep, now - timedelta(days=LOG_DAYS)),
        is_complete=not sweep.is_over,
    )
    with transaction():
        audit.record("registry.prune", "registry", by=by, detail=asdict(pruned))
    return pruned


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Deletes a few rows at a time, until `until` (monotonic seconds)."""

    until: float

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.until

    def away(self, model: type[Base], old: Select[int], at_once: int = ROWS_AT_ONCE) -> int:
        """Delete the rows of `model` whose ids `old` selects; return how many went."""
        gone = 0
        while not self.is_over:
            with transaction() as session:
                ids = list(session.scalars(old.limit(at_once)))
                if ids:
                    key = model.__table__.c.id
                    session.execute(delete(model).where(key.in_(ids)))
            gone += len(ids)
            if len(ids) < at_once:
                break
            time.sleep(_PAUSE_SECONDS)
        return gone


def _forget_logs(sweep: _Sweep, before: datetime) -> int:
    """Forget steps, then the log, which marks a run as one that has still to be forgotten."""
    logged = select(LogChunk.run_id).distinct()
    old = select(Run.id).where(Run.ended_at < before, Run.id.in_(logged)).order_by(Run.id)
    ids, forgotten = list(db.session.scalars(old)), 0
    for start in range(0, len(ids), _RUNS_AT_ONCE):
        group = ids[start : start + _RUNS_AT_ONCE]
        sweep.away(Step, select(Step.id).join(Step.target).where(Target.run_id.in_(group)))
        chunks = select(LogChunk.id).where(LogChunk.run_id.in_(group))
        sweep.away(LogChunk, chunks, _CHUNKS_AT_ONCE)
        kept = select(func.count(LogChunk.run_id.distinct())).where(LogChunk.run_id.in_(group))
        forgotten += len(group) - (db.session.scalar(kept) or 0)
        if sweep.is_over:
            break
        time.sleep(_PAUSE_SECONDS)
    return forgotten


def _forget_alerts(sweep: _Sweep, before: datetime) -> int:
    old = select(Alert.id).where(Alert.ended_at < before)
    sweep.away(Delivery, select(Delivery.id).where(Delivery.alert_id.in_(old)))
    return sweep.away(Alert, old)


def _forget_occurrences(sweep: _Sweep, before: datetime) -> int:
    newest = select(func.max(Occurrence.id)).group_by(Occurrence.schedule_id)
    old = select(Occurrence.id).where(Occurrence.fired_at < before, Occurrence.id.not_in(newest))
    return sweep.away(Occurrence, old)


def _forget_backups(sweep: _Sweep, before: datetime) -> int:
    """Forget backups that are nowhere; what a store keeps back, or a server, is still known."""
    gone = (CopyState.DELETED, CopyState.LEFT)
    there = select(BackupCopy.id).where(
        BackupCopy.backup_id == Backup.id, BackupCopy.state.not_in(gone)
    )
    old = select(Backup.id).where(
        Backup.expired_at < before,
        Backup.is_held.is_(False),
        Backup.is_spooled.is_(False),
        ~there.exists(),
    )
    # Each has a manifest with a line for every table.
    return sweep.away(Backup, old, _CHUNKS_AT_ONCE)
