"""What is wrong with backups now: stores that fail, villages without a fresh one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from siappakai.domain.alerts import AlertKind, Finding, Severity
from siappakai.domain.backups import CopyState, ProofState
from siappakai.domain.states import SiteState
from siappakai.models import Backup, BackupCopy, Server, Site, db
from siappakai.services import backup_keys, settings, stores

# A store that fails once may be restarting.
_PATIENCE: Final = timedelta(minutes=5)


def look(now: datetime) -> Iterator[Finding]:
    """Find failing stores, and servers with villages that have no fresh backup."""
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
    if known:
        yield from _stale(now)


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
        .where(Site.state == SiteState.ACTIVE, Site.installed_at < limit)
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
