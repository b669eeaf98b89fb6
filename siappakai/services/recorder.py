"""Writing a play into the registry while it happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from siappakai.ansible.events import StepResult, TaskEnded, TaskStarted, log_lines, read_event
from siappakai.domain.states import RunState, StepState
from siappakai.models import LogChunk, Run, Step, Target, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import outcomes
from siappakai.services.leases import Lease, hold
from siappakai.services.runs import pack

_FLUSH_SECONDS = 1.0
_CHUNK_LINES = 400
_OPEN = frozenset({RunState.QUEUED, RunState.RUNNING})


class Recorder:
    """Watches a play (see ansible.runner.Watcher) and stores its steps, verdicts and log.

    What happens is kept in order and written about once a second, in one transaction that
    also proves that the run is still ours; LeaseLostError otherwise.
    """

    def __init__(self, run: Run, lease: Lease, lease_lost: threading.Event) -> None:
        self.run_id = run.id
        self.lease = lease
        self.lease_lost = lease_lost
        self.targets = {target.host: target.id for target in run.targets}
        self.by_server = {f"server-{target.server_id}" for target in run.targets}
        self.verdicts: dict[str, outcomes.Verdict] = {}
        self.pending: list[Callable[[Session], None]] = []
        self.lines: list[str] = []
        self.next_line = _lines_so_far(run.id)
        self.flushed_at = time.monotonic()

    def on_start(self, pid: int, started: int) -> None:
        """Store the process of the play, so that an heir can kill it."""

        def note(session: Session) -> None:
            run = session.get_one(Run, self.run_id)
            run.pid, run.pid_started = pid, started

        self.pending.append(note)

    def on_event(self, event: dict[str, Any]) -> None:
        """Take one event of ansible-runner."""
        self.lines.extend(log_lines(event))
        meaning = read_event(event)
        if isinstance(meaning, TaskStarted):
            self._on_task_started(meaning)
        elif isinstance(meaning, TaskEnded):
            self._on_task_ended(meaning)
        if time.monotonic() - self.flushed_at > _FLUSH_SECONDS:
            self.flush()

    def should_stop(self) -> bool:
        """Tell whether the lease is lost or a person cancelled."""
        if time.monotonic() - self.flushed_at > _FLUSH_SECONDS:
            self.flush()
        return self.lease_lost.is_set() or self.is_cancelled()

    def is_cancelled(self) -> bool:
        """Tell whether a person asked for the run to stop."""
        wanted = db.session.scalar(select(Run.cancel_requested).where(Run.id == self.run_id))
        db.session.commit()
        return bool(wanted)

    def flush(self) -> None:
        """Write what has gathered; raises LeaseLostError when the run is no longer ours."""
        self.flushed_at = time.monotonic()
        with transaction() as session:
            hold(session, self.lease)
            for write in self.pending:
                write(session)
            self._write_log(session)
        self.pending.clear()
        self.lines.clear()

    def _write_log(self, session: Session) -> None:
        for start in range(0, len(self.lines), _CHUNK_LINES):
            lines = self.lines[start : start + _CHUNK_LINES]
            session.add(
                LogChunk(
                    run_id=self.run_id,
                    first_line=self.next_line,
                    lines=len(lines),
                    data=pack(lines),
                )
            )
            self.next_line += len(lines)

    def _on_task_started(self, event: TaskStarted) -> None:
        at = utc_now()
        if event.host in self.targets:
            target_id = self.targets[event.host]
            self.pending.append(lambda session: _start(session, target_id, event.task, at))
        elif event.host in self.by_server:
            self.pending.append(lambda session: _announce(session, self.run_id, event.task))

    def _on_task_ended(self, event: TaskEnded) -> None:
        self.verdicts |= event.verdicts
        for slug, verdict in event.verdicts.items():
            if slug in self.targets:
                self._judge(self.targets[slug], verdict, event)
        if event.host in self.targets:
            target_id = self.targets[event.host]
            self.pending.append(lambda session: _end(session, target_id, event))
        elif event.has_failed and not event.verdicts:
            server_id = int(event.host.rpartition("-")[2])
            self.pending.append(lambda session: _fail_all(session, self.run_id, server_id, event))

    def _judge(self, target_id: int, verdict: outcomes.Verdict, event: TaskEnded) -> None:
        self.pending.append(lambda session: _judge(session, target_id, verdict, event))


def _lines_so_far(run_id: int) -> int:
    end = select(func.max(LogChunk.first_line + LogChunk.lines)).where(LogChunk.run_id == run_id)
    return db.session.scalar(end) or 0


def _announce(session: Session, run_id: int, task: str) -> None:
    session.get_one(Run, run_id).message = task


def _start(session: Session, target_id: int, task: str, at: Any) -> None:
    target = session.get_one(Target, target_id)
    if target.state is RunState.QUEUED:
        target.state = RunState.RUNNING
        target.started_at = at
    session.add(Step(target_id=target_id, name=task, state=StepState.RUNNING, started_at=at))
    session.flush()


def _end(session: Session, target_id: int, event: TaskEnded) -> None:
    _close_step(session, target_id, event)
    target = session.get_one(Target, target_id)
    if event.has_failed and target.state in _OPEN:
        target.error = event.error or {"code": event.outcome, "params": {}}
        outcomes.conclude(session, target, RunState.FAILED, event.message)


def _close_step(session: Session, target_id: int, event: TaskEnded) -> None:
    step = session.scalar(
        select(Step)
        .where(Step.target_id == target_id, Step.state == StepState.RUNNING)
        .order_by(Step.id.desc())
        .limit(1)
    )
    if step is None:
        return
    if event.outcome == "skipped":
        session.delete(step)
    elif event.steps:
        # A coarse module says itself what it did: its stages take the place of the one task.
        session.delete(step)
        session.add_all(_step(target_id, part) for part in event.steps)
    else:
        step.state = StepState.FAILED if event.has_failed else StepState.OK
        step.seconds = event.seconds
        step.changed = event.changed
        step.detail = event.message
    session.flush()


def _step(target_id: int, part: StepResult) -> Step:
    return Step(
        target_id=target_id,
        name=part.name,
        state=StepState.FAILED if part.failed else StepState.OK,
        changed=part.changed,
        detail=part.detail,
        seconds=part.seconds,
    )


def _fail_all(session: Session, run_id: int, server_id: int, event: TaskEnded) -> None:
    """Fail every open target of a server on which a shared step failed."""
    for target in session.scalars(
        select(Target)
        .where(Target.run_id == run_id, Target.server_id == server_id)
        .where(Target.state.in_(_OPEN))
    ):
        target.error = event.error or {"code": event.outcome, "params": {"task": event.task}}
        outcomes.conclude(session, target, RunState.FAILED, f"{event.task}: {event.message}")


def _judge(session: Session, target_id: int, verdict: outcomes.Verdict, event: TaskEnded) -> None:
    target = session.get_one(Target, target_id)
    healthy = bool(verdict.get("healthy"))
    detail = outcomes.describe(verdict)
    target.result = verdict
    session.add(
        _step(target_id, StepResult("health", event.seconds, False, not healthy, detail))  # noqa: FBT003
    )
    if target.state not in _OPEN:
        return
    target.started_at = target.started_at or utc_now()
    if not healthy:
        target.error = {"code": "unhealthy", "params": {"checks": detail}}
    outcomes.conclude(session, target, RunState.SUCCEEDED if healthy else RunState.FAILED, detail)
