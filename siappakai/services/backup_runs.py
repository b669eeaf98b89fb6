"""What runs about backups are told, and which of them the clock asks for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from siappakai.domain.backups import CopyState, manifest_hash, name_of
from siappakai.domain.states import TERMINAL, ServerState
from siappakai.models import Backup, BackupCopy, Run, Server, Target, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import backup_keys, copies
from siappakai.services.backups import COPY, PROVE, TAKE, request_copy
from siappakai.services.errands import arrival
from siappakai.services.servers import layout_of
from siappakai.services.staging import ARRIVED

# A store that was down is tried again this much later.
_PAUSE: Final = timedelta(minutes=10)
# What lies in a store is looked at this often.
_STOCK_AGE: Final = timedelta(days=1)


def carry_on(now: datetime | None = None) -> list[Run]:
    """Ask for the copying of what some store lacks or shall forget; done by the clock."""
    now = now or utc_now()
    by = "siappakai"
    with transaction() as session:
        with_work = _with_work(now)
        servers = select(Server).where(Server.state == ServerState.READY)
        return [
            request_copy(server, by=by)
            for server in session.scalars(servers.order_by(Server.id))
            if with_work.intersection(copies.wards(server)) and not _is_under_way(server.id, now)
        ]


def _with_work(now: datetime) -> set[int]:
    """Return the servers of whose backups a store lacks, shall forget or be asked for one."""
    stale = (BackupCopy.state == CopyState.STORED) & (BackupCopy.checked_at < now - _STOCK_AGE)
    work = copies.in_stores(Backup.server_id).where(copies.wanted() | copies.deletable(now) | stale)
    return set(db.session.scalars(work.distinct()))


def _is_under_way(server_id: int, now: datetime) -> bool:
    """Tell whether a copying is asked for, or ended in vain just now."""
    newest = (
        select(Run)
        .join(Target, Target.run_id == Run.id)
        .where(Run.play == COPY, Target.server_id == server_id)
        .order_by(Run.id.desc())
        .limit(1)
    )
    run = db.session.scalar(newest)
    if run is None:
        return False
    if run.state not in TERMINAL:
        return True
    newer = select(Backup.id).where(Backup.server_id == server_id, Backup.taken_at > run.created_at)
    has_newer = db.session.scalar(newer.limit(1)) is not None
    return not has_newer and run.ended_at is not None and now - run.ended_at < _PAUSE


def play_vars(run: Run) -> dict[str, Any]:
    """Return what the playbook of a run about backups is told besides its inventory."""
    if run.play == TAKE:
        names = {target.host: name_of(target.host, run.token) for target in run.targets}
        return {"backup": {"names": names, "recipients": backup_keys.recipients()}}
    server_id = run.targets[0].server_id
    if run.play == COPY:
        return {"spool": _spool(server_id)}
    if run.play == PROVE:
        return {
            "proof": _proof(db.session.get_one(Server, server_id), run.options.get(ARRIVED, []))
        }
    return {}


def _spool(server_id: int) -> dict[str, list[str]]:
    """Return what of a server's spool is done with, and what must stay."""
    query = select(Backup).where(Backup.server_id == server_id, Backup.is_spooled)
    found = list(db.session.scalars(query))
    lacking = copies.of_servers([server_id]).where(copies.wanted())
    wanted = {copy.backup_id for copy in db.session.scalars(lacking)}
    keep = [
        one.name
        for one in found
        if one.expired_at is None and (one.id in wanted or not one.is_stored)
    ]
    return {"keep": keep, "drop": [one.name for one in found if one.name not in keep]}


def _proof(server: Server, arrived: Iterable[str]) -> dict[str, Any]:
    found = [db.session.get_one(Backup, backup_id) for backup_id in map(int, arrived)]
    proofs = [
        {
            "name": one.name,
            "source": arrival(server, one),
            "size": one.size,
            "sha256": one.sha256,
            "manifest_sha256": manifest_hash(one.manifest),
        }
        for one in found
    ]
    return {
        "identity": f"{layout_of(server).root}/proof.key",
        "backups": proofs,
        "parallelism": server.parallelism,
    }
