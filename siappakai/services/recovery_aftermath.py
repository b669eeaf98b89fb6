"""What becomes of a registry that was brought back: nothing in it goes on by itself.

Its runs are of another time. What was at work then is lost, and settled by looking at its sites;
what waited is cancelled; nobody is signed in; nothing new starts until a person ends the drain.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from siappakai.domain.backups import CopyState
from siappakai.domain.states import UNBUILT, RunState
from siappakai.errors import SiapPakaiError
from siappakai.models import Backup, BackupCopy, LoginSession, Run, Server, Site, Village, db
from siappakai.models.transactions import transaction
from siappakai.services import audit, registry_turns, runs, servers, settings
from siappakai.services.enrolment import open_shell
from siappakai.wording import say


@dataclass(frozen=True, slots=True)
class Reached:
    """A server, and what keeps the panel out of it; empty when it got in."""

    server: str
    problem: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The runs of a registry that was brought back: at work then, and waiting then."""

    lost: list[int]
    cancelled: list[int]


@dataclass(frozen=True, slots=True)
class Regained:
    """What a registry that was brought back knows of.

    `backup_at` is when the newest backup of a village was taken that is in a store.
    """

    villages: int
    sites: int
    servers: list[Reached]
    backup_at: datetime | None


def settle(name: str, taken_at: datetime, *, by: str) -> Ended:
    """Make a registry that was brought back fit to go on."""
    with transaction() as session:
        ended = _end_runs(session, taken_at)
        session.execute(delete(LoginSession))
        settings.set_drain(drain=True, by=by)
        registry_turns.begin_anew()
        detail = {
            "taken_at": taken_at.isoformat(),
            "lost": ended.lost,
            "cancelled": ended.cancelled,
        }
        audit.record("registry.recover", name, by=by, detail=detail)
    return ended


def look() -> Regained:
    """Return what came back, and whether its servers let the panel in."""
    return Regained(
        villages=_count(select(func.count(Village.id))),
        sites=_count(select(func.count(Site.id)).where(Site.state.not_in(UNBUILT))),
        servers=[_reach(server) for server in servers.list_servers()],
        backup_at=_newest_backup(),
    )


def _end_runs(session: Session, taken_at: datetime) -> Ended:
    """Mark as lost what was at work when the backup was taken, cancel what waited."""
    open_states = (RunState.RUNNING, RunState.QUEUED)
    found = session.scalars(select(Run).where(Run.state.in_(open_states)).order_by(Run.id)).all()
    when = f"{taken_at:%Y-%m-%d %H:%M} UTC"
    told = say("Registri dipulihkan dari cadangan %(when)s, saat ini sedang berjalan.", when=when)
    lost: list[int] = []
    cancelled: list[int] = []
    for run in found:
        if run.state is RunState.QUEUED:
            runs.cancel_queued(run)
            cancelled.append(run.id)
            continue
        run.state, run.lease_until, run.message = RunState.LOST, None, told
        for target in run.targets:
            if target.state is RunState.RUNNING:
                target.state = RunState.LOST
        lost.append(run.id)
    return Ended(lost, cancelled)


def _newest_backup() -> datetime | None:
    stored = select(func.max(Backup.taken_at)).join(Backup.copies)
    return db.session.scalar(stored.where(BackupCopy.state == CopyState.STORED))


def _reach(server: Server) -> Reached:
    if server.connection == servers.LOCAL:
        told = say("Ini mesin panel sendiri: situs yang ada di mesin lama hilang bersamanya.")
        return Reached(server.name, told)
    db.session.commit()  # nothing stays open while a server keeps us waiting
    try:
        with open_shell(server) as shell:
            shell.run(["true"])
    except SiapPakaiError as problem:
        return Reached(server.name, problem.what)
    return Reached(server.name, "")


def _count(query: Select[int]) -> int:
    return db.session.scalar(query) or 0
