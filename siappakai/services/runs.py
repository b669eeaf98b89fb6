"""Runs as people ask for them: create, look, cancel."""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import selectinload

from siappakai import dispatch
from siappakai.ansible.plays import CATALOGUE
from siappakai.domain.states import TERMINAL, RunState
from siappakai.errors import ConflictError, NotFoundError, UnreachableError
from siappakai.models import LogChunk, Run, Server, Site, Step, Target, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import after_commit, transaction
from siappakai.services import audit
from siappakai.services.paging import Page, paginate
from siappakai.wording import say

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some lines of a raw log; `first_line` counts from 0, `total` is all there are."""

    lines: list[str]
    first_line: int
    total: int


def create_site_run(
    play: str,
    sites: Sequence[Site],
    *,
    by: str,
    options: dict[str, Any] | None = None,
    retry_of: int | None = None,
) -> Run:
    """Write down a run over sites of one server; its job is rung for after the commit."""
    with transaction():
        targets = [
            Target(
                server_id=site.server_id,
                site_id=site.id,
                host=f"{site.app}-{site.village.code}",
                label=f"{site.village.name} · {site.domain}",
            )
            for site in sites
        ]
        return _create(play, targets, by=by, options=options, retry_of=retry_of)


def create_server_run(
    play: str,
    server: Server,
    *,
    by: str,
    options: dict[str, Any] | None = None,
    retry_of: int | None = None,
) -> Run:
    """Write down a run over one server."""
    with transaction():
        target = Target(server_id=server.id, host=f"server-{server.id}", label=server.name)
        return _create(play, [target], by=by, options=options, retry_of=retry_of)


def _create(
    play: str,
    targets: list[Target],
    *,
    by: str,
    options: dict[str, Any] | None = None,
    retry_of: int | None = None,
) -> Run:
    run = Run(
        play=CATALOGUE[play].name,
        server_id=targets[0].server_id,
        options=options or {},
        requested_by=by,
        targets=targets,
        retry_of_id=retry_of,
    )
    session = db.session()
    session.add(run)
    session.flush()
    follow(targets)
    audit.record(
        f"run.{play}", f"run {run.id}", by=by, detail={"targets": [t.host for t in targets]}
    )
    after_commit(ring, run.id, queue_of(run.play))
    return run


def follow(targets: list[Target]) -> None:
    """Note that what came before these targets is not the newest any more."""
    sites = [target.site_id for target in targets if target.site_id is not None]
    servers = [target.server_id for target in targets if target.site_id is None]
    alone = Target.site_id.is_(None) & Target.server_id.in_(servers)
    before = Target.id.not_in([target.id for target in targets])
    for same in (Target.site_id.in_(sites), alone):
        earlier = update(Target).where(~Target.followed, same, before)
        db.session.execute(earlier.values(followed=True))


def queue_of(play: str) -> str:
    """Return the queue of a play; what is urgent has a worker that is never kept by long runs."""
    return dispatch.SETTLE if CATALOGUE[play].is_urgent else dispatch.RUNS


def ring(run_id: int, queue: str = dispatch.RUNS) -> None:
    """Ask a worker to look at a run; without Redis the clock does it later."""
    try:
        dispatch.send(current_settings(), run_id, queue)
    except UnreachableError as error:
        log.warning("run %s waits: %s", run_id, error)


def get_run(run_id: int) -> Run:
    """Return a run; raises NotFoundError."""
    run = db.session.get(Run, run_id)
    if run is None:
        raise NotFoundError(
            say("Pekerjaan %(run_id)s tidak ada.", run_id=run_id), say("Lihat daftar pekerjaan.")
        )
    return run


class Filters(TypedDict, total=False):
    """What the list of runs can be narrowed by; see list_runs."""

    state: RunState | None
    play: str
    server: str
    requested_by: str


def list_runs(
    *,
    state: RunState | None = None,
    play: str = "",
    server: str = "",
    requested_by: str = "",
    page: int = 1,
    per_page: int = 50,
) -> Page[Run]:
    """Return runs, newest first; `server` is the name of the one they work on.

    `requested_by` is the beginning of who asked. A play or server that does not exist has no
    runs.
    """
    query = select(Run).order_by(Run.id.desc())
    if state is not None:
        query = query.where(Run.state == state)
    if play:
        query = query.where(Run.play == play)
    if server:
        known = select(Server.id).where(Server.name == server)
        query = query.where(Run.server_id == known.scalar_subquery())
    if requested_by:
        # Lowering every row costs more than comparing it; people's names have no capitals.
        begins = {requested_by, requested_by.lower()}
        named = (Run.requested_by.startswith(one, autoescape=True) for one in begins)
        query = query.where(or_(*named))
    return paginate(query, lambda row: row[0], page=page, per_page=per_page)


def targets_of(
    run_id: int,
    *,
    state: RunState | None = None,
    page: int = 1,
    per_page: int = 200,
    with_steps: bool = True,
) -> Page[Target]:
    """Return the targets of a run, in the order they were asked for.

    Without their steps these are read when they are looked at, target by target.
    """
    query = select(Target).where(Target.run_id == run_id).order_by(Target.id)
    if with_steps:
        query = query.options(selectinload(Target.steps))
    if state is not None:
        query = query.where(Target.state == state)
    return paginate(query, lambda row: row[0], page=page, per_page=per_page)


def steps_of(target_id: int) -> Sequence[Step]:
    """Return the steps of a target, in order."""
    return db.session.scalars(
        select(Step).where(Step.target_id == target_id).order_by(Step.id)
    ).all()


def current_steps(targets: Sequence[Target]) -> dict[int, str]:
    """Return the name of the newest step of each target that is at work, by target."""
    running = [target.id for target in targets if target.state is RunState.RUNNING]
    if not running:
        return {}
    newest = select(func.max(Step.id)).where(Step.target_id.in_(running)).group_by(Step.target_id)
    rows = db.session.execute(select(Step.target_id, Step.name).where(Step.id.in_(newest)))
    return dict(rows.all())


def progress(run_id: int) -> dict[str, int]:
    """Return how many targets of a run are in each state."""
    rows = db.session.execute(
        select(Target.state, func.count()).where(Target.run_id == run_id).group_by(Target.state)
    )
    return Counter({state.value: count for state, count in rows})


def pulse(run_id: int) -> tuple[object, ...]:
    """Return what is another value whenever a run has got on; cheap to ask for often."""
    run = db.session.execute(select(Run.state, Run.message).where(Run.id == run_id)).one()
    last_step = select(func.max(Step.id)).join(Target).where(Target.run_id == run_id)
    return (*run, *sorted(progress(run_id).items()), db.session.scalar(last_step))


def waiting_for(run: Run) -> str | None:
    """Say what a queued run waits for; None when it waits for nothing known."""
    return run.message or None if run.state is RunState.QUEUED else None


def log_page(run_id: int, first_line: int = 0, lines: int = 200) -> LogPage:
    """Return up to `lines` lines of the raw log from `first_line` on."""
    total = (
        db.session.scalar(
            select(func.max(LogChunk.first_line + LogChunk.lines)).where(LogChunk.run_id == run_id)
        )
        or 0
    )
    first_line = min(max(0, first_line), total)
    chunks = db.session.scalars(
        select(LogChunk)
        .where(LogChunk.run_id == run_id)
        .where(LogChunk.first_line < first_line + lines)
        .where(LogChunk.first_line + LogChunk.lines > first_line)
        .order_by(LogChunk.first_line)
    ).all()
    if not chunks:
        return LogPage([], first_line, total)
    text = [line for chunk in chunks for line in unpack(chunk)]
    skip = first_line - chunks[0].first_line
    return LogPage(text[skip : skip + lines], first_line, total)


def pack(lines: list[str]) -> bytes:
    """Compress log lines for a chunk."""
    return zlib.compress("\n".join(lines).encode())


def unpack(chunk: LogChunk) -> list[str]:
    """Return the lines of a chunk."""
    return zlib.decompress(chunk.data).decode().split("\n")


def request_cancel(run_id: int, *, by: str) -> Run:
    """Ask for a run to stop: at once when it is queued, else its worker kills the play.

    A lost run is settled all the same, then counts as cancelled. Raises ConflictError when it
    has ended.
    """
    with transaction() as session:
        run = get_run(run_id)
        # A worker may claim it at this moment: who comes second sees what the first did.
        session.refresh(run, with_for_update=True)
        if run.state in TERMINAL:
            raise ConflictError(
                say("Pekerjaan %(run_id)s sudah selesai.", run_id=run_id),
                say("Tidak ada yang perlu dibatalkan."),
            )
        run.cancel_requested = True
        if run.state is RunState.QUEUED:
            cancel_queued(run)
        audit.record("run.cancel", f"run {run_id}", by=by)
        return run


def cancel_queued(run: Run) -> None:
    """End a run that never began."""
    run.state = RunState.CANCELLED
    run.ended_at = utc_now()
    run.message = say("Dibatalkan sebelum dimulai.")
    for target in run.targets:
        target.state = RunState.CANCELLED
        target.ended_at = run.ended_at
