"""What is wrong with backups now: stores that fail, villages without a fresh one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import aliased, joinedload, load_only

from siappakai.domain.alerts import AlertKind, Finding, Severity
from siappakai.domain.backups import CopyState, ProofState
from siappakai.domain.states import SiteState
from siappakai.models import Backup, BackupCopy, Server, Site, Store, db
from siappakai.services import backup_keys, copies, settings, sites, stores

# A store that fails once may be restarting.
_PATIENCE: Final = timedelta(minutes=5)


def look(now: datetime) -> Iterator[Finding]:
    """Find failing stores, what they lost, and villages that have no fresh backup."""
    known = stores.list_stores()
    for store in known:
        if store.failing_since is not None and now - store.failing_since >= _PATIENCE:
            yield Finding(
                AlertKind.STORE_FAILING,
                f"store:{store.id}",
                store.name,
                Severity.WARNING,
                store.failing_since.isoformat(),
                {"since": store.failing_since.isoformat(), "failure": str(store.failure)},
            )
    yield from _broken()
    yield from _slow()
    if known:
        yield from _stale(now)
    else:
        yield from _nowhere(now)


def _nowhere(now: datetime) -> Iterator[Finding]:
    """Find that nothing is kept anywhere but on the servers themselves."""
    limit = now - timedelta(hours=settings.get(settings.BACKUP_STALE_HOURS))
    count = db.session.scalar(select(func.count(Site.id)).where(*_in_service_since(limit)))
    if count:
        params = {"sites": count}
        severity = Severity.WARNING
        yield Finding(AlertKind.BACKUP_NOWHERE, "backups", "", severity, f"{now:%Y-%m-%d}", params)


def _broken() -> Iterator[Finding]:
    """Find stores that have not what they once took in, or were to have."""
    other = aliased(BackupCopy)
    sound = select(other.id).where(other.backup_id == Backup.id, other.state == CopyState.STORED)
    is_lost = ~sound.exists() & Backup.is_spooled.is_(False)
    broken = (
        copies.in_stores(BackupCopy.store_id)
        .add_columns(func.count(), func.sum(case((is_lost, 1), else_=0)), func.max(BackupCopy.id))
        .where(BackupCopy.state.in_((CopyState.DAMAGED, CopyState.MISSING)))
        .where(Backup.expired_at.is_(None))
        .group_by(BackupCopy.store_id)
        .order_by(BackupCopy.store_id)
    )
    for store_id, count, lost, newest in db.session.execute(broken).all():
        yield Finding(
            AlertKind.COPIES_BROKEN,
            f"store:{store_id}:copies",
            db.session.get_one(Store, store_id).name,
            Severity.CRITICAL if lost else Severity.WARNING,
            f"{newest} {count}",
            {"copies": count, "lost": int(lost)},
        )


def _slow() -> Iterator[Finding]:
    """Find servers with villages whose last proof took longer than a restore may."""
    target = settings.get(settings.RESTORE_TARGET_MINUTES)
    newest = select(func.max(Backup.id)).where(Backup.proof_state == ProofState.PROVEN)
    query = select(Backup).join(Backup.site).where(Site.state == SiteState.ACTIVE, sites.is_real())
    query = query.where(Backup.id.in_(newest.group_by(Backup.site_id)))
    minutes: dict[int, list[float]] = defaultdict(list)
    for backup in db.session.scalars(
        query.options(joinedload(Backup.site), load_only(Backup.proof))
    ):
        taken = (backup.restore_seconds or 0.0) / 60
        if taken > target:
            minutes[backup.site.server_id].append(taken)
    for server_id, found in sorted(minutes.items()):
        yield Finding(
            AlertKind.RESTORE_SLOW,
            f"server:{server_id}:restores",
            db.session.get_one(Server, server_id).name,
            Severity.WARNING,
            f"{len(found)} {max(found):.0f}",
            {"sites": len(found), "target": target, "longest": round(max(found))},
        )


def _in_service_since(limit: datetime) -> tuple[ColumnElement[bool], ...]:
    return Site.state == SiteState.ACTIVE, Site.installed_at < limit, sites.is_real()


def _stale(now: datetime) -> Iterator[Finding]:
    """Find servers on which villages wait for a backup: proven where there is a prover."""
    hours = settings.get(settings.BACKUP_STALE_HOURS)
    limit = now - timedelta(hours=hours)
    fresh = select(Backup.site_id).join(Backup.copies)
    fresh = fresh.where(BackupCopy.state == CopyState.STORED, Backup.taken_at >= limit)
    if backup_keys.provers():
        fresh = fresh.where(Backup.proof_state == ProofState.PROVEN)
    waiting = (
        select(Server, func.count(Site.id))
        .join(Site, Site.server_id == Server.id)
        .where(*_in_service_since(limit))
        .where(Site.id.not_in(fresh))
        .group_by(Server.id)
        .order_by(Server.id)
    )
    for server, count in db.session.execute(waiting):
        yield Finding(
            AlertKind.BACKUP_STALE,
            f"server:{server.id}:backups",
            server.name,
            Severity.WARNING,
            f"{now:%Y-%m-%d}",
            {"sites": count, "hours": hours},
        )
