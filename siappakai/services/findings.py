"""What is wrong with the fleet and with this installation now, as the registry tells it.

Each source reads and returns findings; none changes anything. They are run by the lookout, a
process of its own, so that a dead clock or queue is seen too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from siappakai import dispatch
from siappakai.ansible.plays import CATALOGUE
from siappakai.domain.alerts import (
    AlertKind,
    Finding,
    Severity,
    disk_severity,
    open_key,
)
from siappakai.domain.states import RunState, ServerState
from siappakai.errors import UnreachableError
from siappakai.models import Alert, Run, Server, Site, Target, db
from siappakai.models.app import current_settings
from siappakai.services import (
    backup_findings,
    certificate_findings,
    firing,
    registry_findings,
    rounds,
    servers,
    settings,
)

# A failure older than this that nobody was told of is history.
_RECENT: Final = timedelta(days=7)
# A lost run is settled within two minutes, or waits for a server that does not answer.
_LOST_LONG: Final = timedelta(minutes=10)
# Two tries in vain: one may be a server that starts anew.
_SILENT: Final = timedelta(seconds=90)
_STUCK: Final = timedelta(minutes=5)
_IDLE: Final = timedelta(minutes=2)
_TICKS_MISSED: Final = 3
LATE_SECONDS: Final = 120
_GIB: Final = 1024**3
_OF_SERVERS: Final = tuple(play.name for play in CATALOGUE.values() if play.scope == "servers")


def look_around(now: datetime, since: datetime) -> list[Finding]:
    """Return all that is wrong at `now` to one who has been looking `since`."""
    session = db.session()
    return list(
        chain(
            _failed_runs(session, now),
            _lost_runs(session, now),
            _silent_servers(now),
            _disks(),
            certificate_findings.look(session, now),
            _queue_and_clock(session, now, since),
            firing.findings(now),
            backup_findings.look(now),
            registry_findings.look(now),
        )
    )


def _failed_runs(session: Session, now: datetime) -> Iterator[Finding]:
    """Find failures that nothing newer has replaced, by play and server."""
    failed = (
        select(Run.play, Target.server_id, func.min(Run.id))
        .join(Target, and_(Target.run_id == Run.id, Target.state == RunState.FAILED))
        .where(Run.state == RunState.FAILED, Run.ended_at >= now - _RECENT)
        .group_by(Run.play, Target.server_id)
    )
    first = {(play, server): run for play, server, run in session.execute(failed)}
    # An alert outlives the time in which its run is news.
    told = select(Alert.params, Alert.subject).where(
        Alert.kind == AlertKind.RUN_FAILED, Alert.ended_at.is_(None)
    )
    for params, subject in session.execute(told):
        where = (params["play"], int(subject.split(":")[1]))
        first[where] = min(params["first"], first.get(where, params["first"]))
    for (play, server_id), run in sorted(first.items()):
        # A server that left the registry takes its alerts along.
        if (server := session.get(Server, server_id)) is not None:
            yield from _standing(session, play, server, run)


def _standing(session: Session, play: str, server: Server, first: int) -> Iterator[Finding]:
    """Find what still stands of the failures of a play on a server, from run `first` on."""
    newer = aliased(Target)
    replaced = select(newer.id).where(
        newer.id > Target.id, newer.state.not_in((RunState.QUEUED, RunState.RUNNING))
    )
    if play in _OF_SERVERS:
        kin = select(Run.id).where(Run.id == newer.run_id, Run.play == play).exists()
        replaced = replaced.where(newer.server_id == server.id, newer.site_id.is_(None), kin)
    else:
        replaced = replaced.where(newer.site_id == Target.site_id)
    standing = (
        select(func.count(), func.max(Run.id), func.min(Run.id))
        .select_from(Run)
        .join(Target, Target.run_id == Run.id)
        .where(Run.id >= first, Run.play == play, Run.state == RunState.FAILED)
        .where(Target.state == RunState.FAILED, Target.server_id == server.id)
        .where(~replaced.exists())
    )
    if play not in _OF_SERVERS:
        # A village that was deleted takes its failures along.
        standing = standing.join(Site, Site.id == Target.site_id)
    count, newest, oldest = session.execute(standing).one()
    if count and server.state is not ServerState.FORGOTTEN:
        yield Finding(
            AlertKind.RUN_FAILED,
            f"server:{server.id}:{play}",
            server.name,
            Severity.WARNING,
            f"run {newest}",
            {"play": play, "failed": count, "run": newest, "first": oldest},
        )


def _lost_runs(session: Session, now: datetime) -> Iterator[Finding]:
    for run in session.scalars(select(Run).where(Run.state == RunState.LOST)):
        target = run.targets[0]
        subject = f"run:{run.id}"
        raised = session.scalar(
            select(Alert.raised_at).where(Alert.open_key == open_key(AlertKind.RUN_LOST, subject))
        )
        is_long = raised is not None and now - raised >= _LOST_LONG
        still_open = [one for one in run.targets if one.state is RunState.LOST]
        yield Finding(
            AlertKind.RUN_LOST,
            subject,
            session.get_one(Server, target.server_id).name,
            Severity.CRITICAL if is_long else Severity.WARNING,
            subject,
            {"run": run.id, "play": run.play, "open": len(still_open)},
        )


def _silent_servers(now: datetime) -> Iterator[Finding]:
    for server in servers.list_servers():
        if server.silent_since is None or now - server.silent_since < _SILENT:
            continue
        yield Finding(
            AlertKind.SERVER_SILENT,
            f"server:{server.id}",
            server.name,
            Severity.CRITICAL,
            server.silent_since.isoformat(),
            {"cause": server.silence, "sites": servers.count_sites(server.id)},
        )


def _disks() -> Iterator[Finding]:
    """Judge each server's disk by its last probe, and the one the panel itself lives on."""
    for server in servers.list_servers():
        if server.facts and server.probed_at is not None:
            free, size = server.facts["disk_free_bytes"], server.facts["disk_bytes"]
            seen = server.probed_at.isoformat()
            yield from _disk(f"server:{server.id}", server.name, free, size, seen)
    folder = current_settings().state
    if folder.is_dir():
        usage = shutil.disk_usage(folder)
        yield from _disk("panel", f"panel ({folder})", usage.free, usage.total, "panel")


def _disk(subject: str, label: str, free: int, size: int, seen: str) -> Iterator[Finding]:
    severity = disk_severity(free, size, settings.get(settings.DISK_FREE_PERCENT))
    if severity is not None:
        params = {"percent": free * 100 // size, "free": f"{free / _GIB:.1f}"}
        yield Finding(AlertKind.DISK_FILLING, subject, label, severity, seen, params)


def _queue_and_clock(session: Session, now: datetime, since: datetime) -> Iterator[Finding]:
    """Look at what drives the runs; a clock cannot tick without its queue."""
    try:
        workers = dispatch.worker_counts(current_settings())[dispatch.RUNS]
    except UnreachableError:
        yield Finding(AlertKind.QUEUE_DOWN, "queue", "Redis", Severity.CRITICAL, "queue")
        return
    yield from _stuck_queue(session, now, workers)
    yield from _stopped_clock(now, since)


def _stuck_queue(session: Session, now: datetime, workers: int) -> Iterator[Finding]:
    """Find runs that wait for nothing known while workers are free, or there are none."""
    waits = and_(Run.state == RunState.QUEUED, Run.created_at < now - _STUCK)
    if workers:
        # One that a worker has looked at says what it waits for.
        waits = and_(waits, Run.message == "")
    query = select(func.count(), func.min(Run.created_at)).where(waits)
    waiting, oldest = session.execute(query).one()
    if not waiting or settings.is_draining() or _has_moved(session, now, workers):
        return
    yield Finding(
        AlertKind.QUEUE_STUCK,
        "queue",
        "Redis",
        Severity.CRITICAL,
        oldest.isoformat(),
        {"waiting": waiting, "since": oldest.isoformat(), "workers": workers},
    )


def _has_moved(session: Session, now: datetime, workers: int) -> bool:
    """Tell whether all workers are busy, or one began or ended something a moment ago."""
    running = select(func.count(Run.id)).where(Run.state == RunState.RUNNING)
    if workers and (session.scalar(running) or 0) >= workers:
        return True
    recent = or_(Run.started_at >= now - _IDLE, Run.ended_at >= now - _IDLE)
    return session.scalar(select(Run.id).where(recent).limit(1)) is not None


def _stopped_clock(now: datetime, since: datetime) -> Iterator[Finding]:
    last = rounds.last_tick_at()
    patience = max(_TICKS_MISSED * current_settings().tick_seconds, LATE_SECONDS)
    if (now - max(last or since, since)).total_seconds() <= patience:
        return
    told = last.isoformat() if last else ""
    yield Finding(AlertKind.CLOCK_STOPPED, "clock", "Jam", Severity.CRITICAL, told, {"last": told})
