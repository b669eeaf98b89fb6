"""Who works on what: claims, exclusive locks, leases and their heartbeat."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import and_, func, or_, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from siappakai.ansible.plays import CATALOGUE
from siappakai.domain.states import RunState
from siappakai.models import Run, RunLock, Server, Site, Target, db, registry_now, utc_now
from siappakai.models.app import current_settings, thread_context
from siappakai.models.transactions import transaction
from siappakai.services import settings
from siappakai.services.runs import cancel_queued
from siappakai.wording import say

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a run: valid while the run has this token and this state."""

    run_id: int
    token: int
    state: RunState


class LeaseLostError(Exception):
    """The run was settled by someone else meanwhile: stop, and write nothing more."""


def claim(run_id: int) -> Lease | None:
    """Take a queued run for this worker, with all its locks, or say why it must wait.

    Returns None when there is nothing to do now: the run is not queued any more, was
    cancelled, or waits (its message says for what).
    """
    try:
        with transaction() as session:
            return _claim(session, run_id)
    except IntegrityError:
        # Another worker took one of the locks between our look and our insert.
        return None


def _claim(session: Session, run_id: int) -> Lease | None:
    run = session.get(Run, run_id, with_for_update=True)
    if run is None or run.state is not RunState.QUEUED:
        return None
    if run.cancel_requested:
        cancel_queued(run)
        return None
    keys = lock_keys(session, run)
    obstacle = _obstacle(session, run, keys)
    if obstacle:
        run.message = obstacle
        return None
    session.add_all(RunLock(key=key, run_id=run.id) for key in keys)
    run.state = RunState.RUNNING
    run.message = ""
    run.started_at = utc_now()
    run.worker = f"{socket.gethostname()}:{os.getpid()}"
    run.worker_host = socket.gethostname()
    lease = _new_lease(session, run)
    session.flush()
    return lease


def hold(session: Session, lease: Lease) -> Run:
    """Return the run of a lease, locked for this transaction; raises LeaseLostError."""
    run = session.get(Run, lease.run_id, with_for_update=True)
    if run is None or run.token != lease.token or run.state is not lease.state:
        raise LeaseLostError(f"run {lease.run_id} is settled")
    return run


def _new_lease(session: Session, run: Run) -> Lease:
    """Give a run a token above all before it, and a fresh lease.

    Milliseconds, not a counter: a registry restored from a backup must still outrun the
    tokens that servers have seen.
    """
    newest = session.scalar(select(func.max(Run.token))) or 0
    run.token = max(newest + 1, time.time_ns() // 1_000_000)
    _prolong(session, run)
    return Lease(run.id, run.token, run.state)


def _prolong(session: Session, run: Run) -> None:
    lasting = timedelta(seconds=current_settings().lease_seconds)
    run.lease_until = registry_now(session) + lasting


def lock_keys(session: Session, run: Run) -> list[str]:
    """Return the keys a run must hold alone."""
    sites = [target.site_id for target in run.targets if target.site_id is not None]
    play = CATALOGUE[run.play]
    if play.scope == "servers" and not play.locks_server:
        return [f"{play.name}:{target.server_id}" for target in run.targets]
    if not play.locks_server:
        return [f"site:{site}" for site in sites]
    servers = [target.server_id for target in run.targets]
    held = session.scalars(select(Site.id).where(Site.server_id.in_(servers))).all()
    return [f"server:{server}" for server in servers] + [f"site:{site}" for site in held]


def forks_of(run: Run) -> int:
    """Return how many of its targets a run works on at once."""
    server = db.session.get_one(Server, run.targets[0].server_id)
    return max(1, min(server.parallelism, len(run.targets)))


def _obstacle(session: Session, run: Run, keys: list[str]) -> str:
    if settings.is_draining():
        return say("Menunggu: penyaluran dihentikan sementara (drain).")
    server_ids = {target.server_id for target in run.targets}
    # The row locks make claims take turns where the database runs in parallel; of all servers,
    # since the global limit is counted as well.
    session.execute(select(Server.id).order_by(Server.id).with_for_update())
    wanted = [*keys, *(f"server:{server}" for server in server_ids)]
    holder = session.scalar(select(RunLock.run_id).where(RunLock.key.in_(wanted)).limit(1))
    if holder is not None:
        return say("Menunggu pekerjaan %(run)s.", run=holder)
    return _over_limit(session, run, server_ids)


def _over_limit(session: Session, run: Run, server_ids: set[int]) -> str:
    if CATALOGUE[run.play].is_urgent:
        return ""
    # What a lost run left may still be at work on its server until somebody has looked.
    at_work = session.scalars(
        select(Run).where(Run.state.in_((RunState.RUNNING, RunState.LOST)))
    ).all()
    running = [other for other in at_work if other.state is RunState.RUNNING]
    if CATALOGUE[run.play].is_carrying:
        return _over_carrying(running)
    at_work = [other for other in at_work if not CATALOGUE[other.play].is_carrying]
    running = [other for other in running if other in at_work]
    wanted = forks_of(run)
    allowed = settings.global_parallelism()
    if running and sum(map(forks_of, running)) + wanted > allowed:
        return say("Menunggu giliran: batas %(allowed)s pekerjaan serentak.", allowed=allowed)
    here = [other for other in at_work if server_ids & {t.server_id for t in other.targets}]
    server = session.get_one(Server, next(iter(server_ids)))
    if here and sum(map(forks_of, here)) + wanted > server.parallelism:
        return say(
            "Menunggu pekerjaan %(run)s: batas %(allowed)s situs serentak di server.",
            run=here[0].id,
            allowed=server.parallelism,
        )
    return ""


def _over_carrying(running: Sequence[Run]) -> str:
    """Leave workers for what does not take hours."""
    allowed = max(1, current_settings().workers // 2)
    if sum(CATALOGUE[other.play].is_carrying for other in running) < allowed:
        return ""
    return say("Menunggu giliran: %(allowed)s pengantaran cadangan sekaligus.", allowed=allowed)


def release_locks(session: Session, run: Run) -> None:
    """Give back every lock a run holds."""
    for lock in session.scalars(select(RunLock).where(RunLock.run_id == run.id)):
        session.delete(lock)


class Tenure:
    """A lease that a thread keeps alive; `lost` is set once the run is someone else's."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.lost = threading.Event()
        self._turn = threading.Lock()

    def renew(self) -> None:
        """Exchange the lease for one with a newer token; raises LeaseLostError.

        What still works under the old token is fenced off on the servers from the next play on.
        """
        with self._turn, transaction() as session:
            self.lease = _new_lease(session, hold(session, self.lease))

    def extend(self) -> None:
        """Move the lease on; raises LeaseLostError when the run is no longer ours."""
        with self._turn, transaction() as session:
            _prolong(session, hold(session, self.lease))


@contextmanager
def heartbeat(lease: Lease) -> Iterator[Tenure]:
    """Keep a lease alive from a thread."""
    tenure, done = Tenure(lease), threading.Event()
    seconds = current_settings().heartbeat_seconds
    thread = threading.Thread(
        target=_beat, args=(thread_context(), tenure, seconds, done), daemon=True
    )
    thread.start()
    try:
        yield tenure
    finally:
        done.set()
        thread.join(timeout=seconds)


def _beat(
    context: AbstractContextManager[object],
    tenure: Tenure,
    seconds: float,
    done: threading.Event,
) -> None:
    with context:
        while not done.wait(seconds):
            try:
                tenure.extend()
            except LeaseLostError:
                tenure.lost.set()
                return
            except SQLAlchemyError as error:
                # A registry away for a moment costs a beat; away for a lease, the run.
                log.warning("run %s: heartbeat failed: %s", tenure.lease.run_id, error)
                db.session.rollback()


def expired() -> list[int]:
    """Mark running runs whose lease has expired as lost; return the lost runs nobody settles."""
    with transaction() as session:
        now = registry_now(session)
        late = select(Run).where(Run.state == RunState.RUNNING, Run.lease_until < now)
        # Locked by others is at work: a heartbeat or an end that is being written counts.
        for run in session.scalars(late.with_for_update(skip_locked=True)):
            run.state = RunState.LOST
            run.message = say("Pekerja berhenti di tengah jalan; keadaan situs sedang diperiksa.")
            for target in run.targets:
                if target.state is RunState.RUNNING:
                    target.state = RunState.LOST
        free = or_(Run.lease_until.is_(None), Run.lease_until <= now)
        return list(session.scalars(select(Run.id).where(Run.state == RunState.LOST, free)))


def claim_lost(run_id: int) -> Lease | None:
    """Take a lost run to settle it, under a new token; None when someone else does."""
    with transaction() as session:
        run = session.get(Run, run_id, with_for_update=True)
        if run is None or run.state is not RunState.LOST:
            return None
        if run.lease_until is not None and run.lease_until > registry_now(session):
            return None
        return _new_lease(session, run)


def is_current(run_id: int, token: int) -> bool:
    """Tell whether the play of a run under `token` is, or may be, at work by right."""
    db.session.commit()
    settled_now = and_(Run.state == RunState.LOST, Run.lease_until > registry_now(db.session()))
    query = select(Run.id).where(
        Run.id == run_id,
        Run.token == token,
        or_(Run.state == RunState.RUNNING, settled_now),
    )
    return db.session.scalar(query) is not None


def unsettled(run: Run) -> list[Target]:
    """Return the targets of a run whose end is not known."""
    open_states = {RunState.QUEUED, RunState.RUNNING, RunState.LOST}
    return [target for target in run.targets if target.state in open_states]
