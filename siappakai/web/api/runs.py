"""Runs: what was asked for, how it goes, how it ended; cancelling and repeating it."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field

from siappakai.domain.states import RunState, StepState
from siappakai.domain.tokens import Scope
from siappakai.models import Run as RunRow
from siappakai.models import Target as TargetRow
from siappakai.services import retries, runs
from siappakai.web.api.operations import Query, operation
from siappakai.web.api.values import Listed, Number, Paged, Text
from siappakai.web.bearer import actor, require_play
from siappakai.web.languages import retell

_MOST_LINES = 1000


class Run(BaseModel):
    """One playing of one playbook."""

    id: int
    play: Annotated[str, Field(description="server, install, health or remove")]
    state: RunState
    requested_by: str
    message: Annotated[str, Field(description="what it waits for or what happened")]
    retry_of: Annotated[int | None, Field(description="the run it repeats")]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class RunProgress(Run):
    """A run and how many of its targets are in each state."""

    progress: dict[RunState, int]


class Step(BaseModel):
    """A named stage of a target."""

    name: str
    state: StepState
    changed: bool
    seconds: float
    detail: str


class Target(BaseModel):
    """One site's (or server's) share of a run."""

    label: str
    state: RunState
    message: str
    error: Annotated[str | None, Field(description="machine-readable cause")]
    started_at: datetime | None
    ended_at: datetime | None
    steps: list[Step]


class LogPage(BaseModel):
    """Some lines of a raw log; `first_line` counts from 0, `total` is all there are."""

    first_line: int
    total: int
    lines: list[str]


class TargetQuery(Paged):
    """Which targets of a run."""

    state: RunState | None = None


class RunQuery(TargetQuery):
    """Which runs."""

    play: Annotated[Text, Field(description="what is played, such as `install`")] = ""
    server: Annotated[Text, Field(description="name of a server")] = ""
    requested_by: Annotated[Text, Field(description="beginning of who or what asked for it")] = ""


class LogQuery(Query):
    """Which lines of a log."""

    first_line: Number = 0
    lines: Annotated[int, Field(ge=1, le=_MOST_LINES)] = 200


@operation("GET", "/runs", Scope.RUNS_READ)
def list_runs(query: RunQuery) -> Listed[Run]:
    """List runs, newest first."""
    found = runs.list_runs(
        state=query.state,
        play=query.play,
        server=query.server,
        requested_by=query.requested_by,
        page=query.page,
        per_page=query.per_page,
    )
    return Listed[Run].of(found, run_record)


@operation("GET", "/runs/<int(max=2147483647):run_id>", Scope.RUNS_READ)
def show_run(run_id: Number) -> RunProgress:
    """Show one run and how far it is."""
    found = run_record(runs.get_run(run_id))
    counts = {RunState(state): count for state, count in runs.progress(run_id).items()}
    return RunProgress(**found.model_dump(), progress=counts)


@operation("GET", "/runs/<int(max=2147483647):run_id>/targets", Scope.RUNS_READ)
def list_targets(run_id: Number, query: TargetQuery) -> Listed[Target]:
    """List the targets of a run with their steps."""
    found = runs.targets_of(
        runs.get_run(run_id).id, state=query.state, page=query.page, per_page=query.per_page
    )
    return Listed[Target].of(found, _target)


@operation("GET", "/runs/<int(max=2147483647):run_id>/log", Scope.RUNS_READ)
def show_log(run_id: Number, query: LogQuery) -> LogPage:
    """Give lines of a run's raw log."""
    page = runs.log_page(runs.get_run(run_id).id, query.first_line, query.lines)
    return LogPage(first_line=page.first_line, total=page.total, lines=page.lines)


@operation("POST", "/runs/<int(max=2147483647):run_id>/cancel", Scope.RUNS_WRITE, is_once=True)
def cancel_run(run_id: Number) -> Run:
    """Ask for a run to stop; what it worked on is looked at before it ends."""
    return run_record(runs.request_cancel(run_id, by=actor()))


@operation(
    "POST",
    "/runs/<int(max=2147483647):run_id>/retry",
    Scope.RUNS_WRITE,
    status=HTTPStatus.ACCEPTED,
    is_once=True,
)
def retry_run(run_id: Number) -> Listed[Run]:
    """Ask again for the targets of a run that did not succeed.

    The token needs the scope that asks for such a run as well: `sites:install` or `sites:check`.
    """
    require_play(runs.get_run(run_id).play)
    return Listed[Run].whole(map(run_record, retries.retry_failed(run_id, by=actor())))


def run_record(run: RunRow) -> Run:
    """Return a run as the API tells it."""
    return Run(
        id=run.id,
        play=run.play,
        state=run.state,
        requested_by=run.requested_by,
        message=retell(run.message),
        retry_of=run.retry_of_id,
        created_at=run.created_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )


def _target(found: TargetRow) -> Target:
    return Target(
        label=found.label,
        state=found.state,
        message=retell(found.message),
        error=found.error.get("code"),
        started_at=found.started_at,
        ended_at=found.ended_at,
        steps=[
            Step(
                name=step.name,
                state=step.state,
                changed=step.changed,
                seconds=step.seconds,
                detail=retell(step.detail),
            )
            for step in found.steps
        ],
    )
