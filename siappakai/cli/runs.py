"""`siappakai run`: what was asked for, how it goes, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import click

from siappakai.cli.command import Group
from siappakai.cli.context import actor
from siappakai.cli.following import (
    EXIT_CODES,
    RunRecord,
    follow_option,
    follow_run,
    requested,
    run_record,
)
from siappakai.cli.output import Column, Ended, Listing, Prose, listing
from siappakai.cli.paging import page_options
from siappakai.domain.states import RunState
from siappakai.models import Step, Target
from siappakai.services import retries, runs
from siappakai.services.paging import MAX_PER_PAGE

_LIST_LENGTH = 20
_LOG_LINES = 200
_MOST_LINES = 100_000
# As far as the registry's numbers go on every database.
_LARGEST = 2**31 - 1
_NUMBER = click.IntRange(1, _LARGEST)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A named stage of a target."""

    name: Annotated[str, Column("Langkah", "its name")]
    state: Annotated[str, Column("Keadaan", "running, ok, failed or skipped")]
    changed: Annotated[bool, Column("Berubah", "whether it changed anything")]
    seconds: Annotated[float, Column("Detik", "how long it took")]
    detail: Annotated[str, Column("Keterangan", "what it said")]


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """One site's (or server's) share of a run."""

    label: Annotated[str, Column("Sasaran", "the site or server")]
    state: Annotated[str, Column("Keadaan", "state of the target (RunState)")]
    message: Annotated[str, Column("Pesan", "what happened")]
    error: Annotated[
        str | None, Column("Sebab", "machine-readable cause, null without one", is_listed=False)
    ]
    steps: Annotated[list[StepRecord], Column("Langkah", "its steps", is_listed=False)]
    started_at: Annotated[datetime | None, Column("Mulai", "when it began")]
    ended_at: Annotated[datetime | None, Column("Selesai", "when it ended")]


@dataclass(frozen=True, slots=True)
class RunDetail:
    """A run with a page of its targets."""

    run: Annotated[RunRecord, Column("Pekerjaan", "the run")]
    targets: Annotated[Listing[TargetRecord], Column("Sasaran", "its targets")]


@dataclass(frozen=True, slots=True)
class LogRecord(Prose):
    """Some lines of a run's raw log."""

    first_line: Annotated[int, Column("Baris pertama", "number of the first line, from 0")]
    total: Annotated[int, Column("Seluruhnya", "how many lines there are")]
    lines: Annotated[list[str], Column("Baris", "the lines")]

    def text(self) -> str:
        """Return the lines as they were written."""
        return "\n".join(self.lines)


run = Group("run", help="List, follow, cancel and repeat runs.")


@run.command("list", example="siappakai run list --state failed --server server1")
@click.option(
    "--state", type=click.Choice([one.value for one in RunState]), help="State of the run."
)
@click.option("--play", default="", help="What is played, such as install.")
@click.option("--server", default="", help="Name of a server.")
@click.option("--by", default="", help="Beginning of who or what asked for it.")
@page_options(per_page=_LIST_LENGTH)
def list_runs(
    *, state: str | None, play: str, server: str, by: str, page: int, per_page: int
) -> Listing[RunRecord]:
    """List runs, newest first."""
    found = runs.list_runs(
        state=RunState(state) if state else None,
        play=play,
        server=server,
        requested_by=by,
        page=page,
        per_page=per_page,
    )
    return listing(found, run_record)


@run.command("show", example="siappakai run show 41 --state failed")
@click.argument("run_id", type=_NUMBER, metavar="RUN")
@click.option(
    "--state",
    type=click.Choice([one.value for one in RunState]),
    help="Only targets in this state.",
)
@page_options(per_page=MAX_PER_PAGE)
def show_run(run_id: int, state: str | None, page: int, per_page: int) -> RunDetail:
    """Show a run with its targets; their steps with --json."""
    found = runs.get_run(run_id)
    wanted = RunState(state) if state else None
    targets = runs.targets_of(run_id, state=wanted, page=page, per_page=per_page)
    return RunDetail(run_record(found), listing(targets, _target))


@run.command("follow", example="siappakai run follow 41 --timeout 600")
@click.argument("run_id", type=_NUMBER, metavar="RUN")
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds to wait at most.")
def follow(run_id: int, timeout: float | None) -> Ended[RunRecord]:
    """Show a run until it ends; end with its exit code (0 when it succeeded)."""
    state = follow_run(run_id, timeout_seconds=timeout)
    return Ended(run_record(runs.get_run(run_id)), EXIT_CODES[state])


@run.command("log", example="siappakai run log 41 --first-line 200 --lines 100")
@click.argument("run_id", type=_NUMBER, metavar="RUN")
@click.option("--first-line", type=click.IntRange(0, _LARGEST), default=0, help="Counted from 0.")
@click.option(
    "--lines",
    type=click.IntRange(1, _MOST_LINES),
    default=_LOG_LINES,
    show_default=True,
    help="How many.",
)
def log_page(run_id: int, first_line: int, lines: int) -> LogRecord:
    """Print lines of a run's raw log."""
    page = runs.log_page(runs.get_run(run_id).id, first_line, lines)
    return LogRecord(page.first_line, page.total, page.lines)


@run.command("cancel", changes=True, example="siappakai run cancel 41")
@click.argument("run_id", type=_NUMBER, metavar="RUN")
def request_cancel(run_id: int) -> RunRecord:
    """Ask for a run to stop; what it worked on is looked at before it ends."""
    return run_record(runs.request_cancel(run_id, by=actor()))


@run.command("retry", changes=True, example="siappakai run retry 41 --follow")
@click.argument("run_id", type=_NUMBER, metavar="RUN")
@follow_option
def retry_failed(run_id: int, *, follow: bool) -> Ended[Listing[RunRecord]]:
    """Ask again for the targets of a run that did not succeed."""
    return requested(retries.retry_failed(run_id, by=actor()), follow=follow)


def _target(found: Target) -> TargetRecord:
    return TargetRecord(
        label=found.label,
        state=found.state.value,
        message=found.message,
        error=found.error.get("code"),
        steps=[_step(step) for step in found.steps],
        started_at=found.started_at,
        ended_at=found.ended_at,
    )


def _step(found: Step) -> StepRecord:
    return StepRecord(found.name, found.state.value, found.changed, found.seconds, found.detail)
