"""Following runs to their end: live on a terminal, line by line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from siappakai.cli.context import is_rehearsal
from siappakai.cli.output import Column, Ended, Listing, note, toned
from siappakai.domain.states import SETTLED, TERMINAL, RunState
from siappakai.models import Run, Target, db
from siappakai.services import runs

F = TypeVar("F", bound=Callable[..., Any])

# What a command that followed a run ends with; errors of commands use 1 to 6.
EXIT_CODES = {
    RunState.SUCCEEDED: 0,
    RunState.FAILED: 10,
    RunState.CANCELLED: 11,
    RunState.LOST: 12,
    RunState.QUEUED: 13,
    RunState.RUNNING: 13,
}
_POLL_SECONDS = 0.25
_LIVE_ROWS = 12
_PER_PAGE = 500


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One playing of one playbook."""

    id: Annotated[int, Column("Nomor", "its number")]
    play: Annotated[str, Column("Pekerjaan", "server, install, health or remove")]
    state: Annotated[str, Column("Keadaan", "state of the run (RunState)")]
    targets: Annotated[int, Column("Sasaran", "how many targets it has")]
    progress: Annotated[dict[str, int], Column("Hasil", "how many targets are in each state")]
    requested_by: Annotated[str, Column("Oleh", "who asked for it")]
    message: Annotated[str, Column("Pesan", "what it waits for or what happened")]
    retry_of: Annotated[int | None, Column("Ulangan dari", "the run it repeats", is_listed=False)]
    created_at: Annotated[datetime, Column("Diminta", "when it was asked for")]
    started_at: Annotated[datetime | None, Column("Mulai", "when it began", is_listed=False)]
    ended_at: Annotated[datetime | None, Column("Selesai", "when it ended", is_listed=False)]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run as it stands now. `targets` in the order they were asked for."""

    run: Run
    counts: dict[str, int]
    targets: list[Target]

    @property
    def settled(self) -> int:
        return sum(self.counts.get(state.value, 0) for state in SETTLED)


def follow_option(function: F) -> F:
    """Add `--follow`, for `requested`."""
    return click.option(
        "--follow", is_flag=True, help="Stay and show progress; end with the run's exit code."
    )(function)


def run_record(run: Run) -> RunRecord:
    """Return a run as commands print it."""
    counts = runs.progress(run.id)
    return RunRecord(
        id=run.id,
        play=run.play,
        state=run.state.value,
        targets=sum(counts.values()),
        progress=dict(counts),
        requested_by=run.requested_by,
        message=run.message,
        retry_of=run.retry_of_id,
        created_at=run.created_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )


def requested(asked: Sequence[Run], *, follow: bool) -> Ended[Listing[RunRecord]]:
    """Return the runs a command asked for, followed to their end if wanted."""
    if follow and not is_rehearsal():
        states = [follow_run(run.id) for run in asked]
        worst = max((EXIT_CODES[state] for state in states), default=0)
        return Ended(Listing.of(run_record(runs.get_run(run.id)) for run in asked), worst)
    return Ended(Listing.of(run_record(run) for run in asked), 0)


def follow_run(run_id: int, *, timeout_seconds: float | None = None) -> RunState:
    """Show a run until it has ended, or for `timeout_seconds`; return its state then.

    A lost run is waited for: its end is known once its sites were probed.
    """
    snapshots = _until_ended(run_id, timeout_seconds)
    console = Console(stderr=True, highlight=False, markup=False)
    show = _show_live if console.is_terminal else _show_lines
    try:
        return show(console, snapshots)
    except KeyboardInterrupt:
        note(f"Pekerjaan {run_id} tetap berjalan. Batalkan: siappakai run cancel {run_id}")
        raise


def _until_ended(run_id: int, timeout_seconds: float | None) -> Iterator[Snapshot]:
    until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    while True:
        pulse = runs.pulse(run_id)
        snapshot = _look(run_id)
        yield snapshot
        if snapshot.run.state in TERMINAL or not _gets_on(run_id, pulse, until):
            return


def _gets_on(run_id: int, pulse: tuple[object, ...], until: float | None) -> bool:
    """Wait until the run has got on; False when it has not by `until`."""
    while until is None or time.monotonic() < until:
        if runs.pulse(run_id) != pulse:
            return True
        # No transaction stays open while we sleep.
        db.session.commit()
        time.sleep(_POLL_SECONDS)
    return False


def _look(run_id: int) -> Snapshot:
    db.session.expire_all()
    run = runs.get_run(run_id)
    targets: list[Target] = []
    page = runs.targets_of(run_id, per_page=_PER_PAGE)
    targets += page.items
    while page.has_next:
        page = runs.targets_of(run_id, page=page.page + 1, per_page=_PER_PAGE)
        targets += page.items
    return Snapshot(run, dict(runs.progress(run_id)), targets)


def _show_live(console: Console, snapshots: Iterator[Snapshot]) -> RunState:
    state = RunState.QUEUED
    with Live(console=console, auto_refresh=False) as live:
        for snapshot in snapshots:
            live.update(_picture(snapshot), refresh=True)
            state = snapshot.run.state
    return state


def _picture(snapshot: Snapshot) -> Group:
    run, total = snapshot.run, len(snapshot.targets)
    head = Text.assemble(f"Pekerjaan {run.id} · {run.play} · ", toned(run.state.value))
    counts = " · ".join(f"{count} {state}" for state, count in snapshot.counts.items())
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=total, completed=snapshot.settled, width=40),
        f"{snapshot.settled}/{total}",
        Text(counts, style="dim"),
    )
    rows = Table.grid(padding=(0, 2))
    for target in _interesting(snapshot.targets):
        rows.add_row(target.label, toned(target.state.value), _doing(target))
    return Group(head, bar, rows, Text(run.message, style="dim"))


def _interesting(targets: list[Target]) -> list[Target]:
    """Return what fits on a screen: what went wrong, then what runs, then the last that ended."""
    bad = [one for one in targets if one.state in {RunState.FAILED, RunState.LOST}]
    busy = [one for one in targets if one.state is RunState.RUNNING]
    done = [one for one in targets if one.state in {RunState.SUCCEEDED, RunState.CANCELLED}]
    room = max(0, _LIVE_ROWS - len(busy))
    return [*bad[-room:], *busy, *done[-max(1, room - len(bad)) :]][:_LIVE_ROWS]


def _doing(target: Target) -> str:
    if target.message:
        return " ".join(target.message.split())
    return target.steps[-1].name if target.steps else ""


def _show_lines(_console: Console, snapshots: Iterator[Snapshot]) -> RunState:
    """Print each change once, on standard error; the result comes on standard output."""
    said: set[str] = set()
    state = RunState.QUEUED
    for snapshot in snapshots:
        for line in _lines(snapshot):
            if line not in said:
                said.add(line)
                note(line)
        state = snapshot.run.state
    return state


def _lines(snapshot: Snapshot) -> Iterator[str]:
    run = snapshot.run
    head = f"pekerjaan {run.id}"
    for target in snapshot.targets:
        if target.state is not RunState.QUEUED:
            yield f"{head}\t{target.label}\t{target.state.value}\t{_doing(target)}".rstrip()
    yield f"{head}\t{run.state.value}\t{run.message}".rstrip()
