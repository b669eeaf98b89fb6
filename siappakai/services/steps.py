"""The steps of targets, and what the end of one means for its target."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from siappakai.ansible.events import SiteReport, StepResult, TaskEnded
from siappakai.domain.states import RunState, StepState
from siappakai.models import Step, Target, utc_now
from siappakai.services import outcomes
from siappakai.wording import join, say

_UNREACHABLE = say("Server tidak dapat dihubungi. Periksa jaringan dan servernya, lalu ulangi.")
_OPEN = frozenset({RunState.QUEUED, RunState.RUNNING})


def start_step(session: Session, target_id: int, task: str, at: datetime) -> None:
    """Note that a target began a task."""
    target = session.get_one(Target, target_id)
    if target.state is RunState.QUEUED:
        target.state = RunState.RUNNING
        target.started_at = at
    session.add(Step(target_id=target_id, name=task, state=StepState.RUNNING, started_at=at))
    session.flush()


def start_sites(session: Session, run_id: int, server_id: int, at: datetime) -> None:
    """Note that work on all sites of a server began."""
    session.execute(
        update(Target)
        .where(Target.run_id == run_id, Target.server_id == server_id)
        .where(Target.state == RunState.QUEUED)
        .values(state=RunState.RUNNING, started_at=at)
    )


def report_site(session: Session, target_id: int, report: SiteReport) -> None:
    """Keep what a call over many sites did with one; a failure ends its target."""
    target = session.get_one(Target, target_id)
    if target.state not in _OPEN:
        return
    took = timedelta(seconds=sum(step.seconds for step in report.steps))
    target.state, target.started_at = RunState.RUNNING, utc_now() - took
    session.add_all(_step(target_id, part) for part in report.steps)
    if report.found:
        target.result = report.found
    session.flush()
    if report.failed:
        target.error = report.error
        outcomes.conclude(session, target, RunState.FAILED, report.message)


def end_step(session: Session, target_id: int, event: TaskEnded) -> None:
    """Close the step that runs, with what the task says of it."""
    step = session.scalar(
        select(Step)
        .where(Step.target_id == target_id, Step.state == StepState.RUNNING)
        .order_by(Step.id.desc())
        .limit(1)
    )
    if event.found:
        session.get_one(Target, target_id).result = event.found
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


def interrupt_steps(session: Session, target_id: int) -> None:
    """Close what a play left open when it was killed."""
    session.execute(
        update(Step)
        .where(Step.target_id == target_id, Step.state == StepState.RUNNING)
        .values(state=StepState.FAILED, detail=say("Terhenti di tengah jalan."))
    )


def fail_site(session: Session, target_id: int, event: TaskEnded, *, unsure: bool) -> None:
    """Fail one target whose own task failed; when `unsure`, its end is not known yet."""
    target = session.get_one(Target, target_id)
    if target.state in _OPEN:
        _fail(session, target, event, words_of(event), unsure=unsure)


def fail_server(
    session: Session, run_id: int, server_id: int, event: TaskEnded, *, unsure: bool
) -> None:
    """Fail every open target of a server on which a shared task failed."""
    for target in session.scalars(
        select(Target)
        .where(Target.run_id == run_id, Target.server_id == server_id)
        .where(Target.state.in_(_OPEN))
    ):
        words = words_of(event)
        message = words if event.is_unreachable else f"{event.task}: {words}"
        _fail(session, target, event, message, unsure=unsure)


def words_of(failure: TaskEnded) -> str:
    """Return what a person reads of a failure; Ansible's own words follow ours."""
    return join(_UNREACHABLE, failure.message) if failure.is_unreachable else failure.message


def cause_of(failure: TaskEnded) -> dict[str, Any]:
    """Return the machine-readable cause of a failure."""
    return failure.error or {"code": failure.outcome, "params": {"task": failure.task}}


def _fail(
    session: Session, target: Target, event: TaskEnded, message: str, *, unsure: bool
) -> None:
    target.error = cause_of(event)
    if unsure:
        target.state = RunState.LOST
        target.message = message
    else:
        outcomes.conclude(session, target, RunState.FAILED, message)


def judge(session: Session, target_id: int, verdict: outcomes.Verdict, seconds: float) -> None:
    """End a target by what a health check saw of its site."""
    target = session.get_one(Target, target_id)
    healthy = bool(verdict.get("healthy"))
    detail = outcomes.describe(verdict)
    told = {"change": target.result} if "rows" in target.result else {}
    target.result = {**verdict, **told}
    state = StepState.OK if healthy else StepState.FAILED
    session.add(
        Step(target_id=target_id, name="health", state=state, detail=detail, seconds=seconds)
    )
    if target.state not in _OPEN:
        outcomes.reconsider(session, target)
        return
    target.started_at = target.started_at or utc_now()
    if not healthy:
        target.error = {"code": "unhealthy", "params": {"checks": detail}}
    outcomes.conclude(session, target, RunState.SUCCEEDED if healthy else RunState.FAILED, detail)


def _step(target_id: int, part: StepResult) -> Step:
    return Step(
        target_id=target_id,
        name=part.name,
        state=StepState.FAILED if part.failed else StepState.OK,
        changed=part.changed,
        detail=part.detail,
        seconds=part.seconds,
    )
