"""Letting backups go by the rules: judged village by village, forgotten once nothing is left."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import defer, selectinload

from siappakai.domain.backups import CopyState, ProofState
from siappakai.domain.retention import Kept, Policy, Reason, judge
from siappakai.models import Backup, BackupCopy, Site, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import audit, settings

# Whoever else writes to the registry has a turn after so many sites; SQLite has one writer.
_SITES_AT_ONCE: Final = 20
_PAUSE_SECONDS: Final = 0.11


@dataclass(frozen=True, slots=True)
class Judged:
    """A backup, and why it stays or may go."""

    backup: Backup
    reason: Reason


def policy() -> Policy:
    """Return how long backups are kept."""
    kept = settings.get_many(list(settings.KEEP))
    return Policy(**{name.removeprefix("backup_keep_"): kept[name] for name in settings.KEEP})


def prune(*, by: str) -> list[Judged]:
    """Judge all backups by the policy and let those go that may; return all with the reason.

    Some sites at a time: what was cut off goes on the next time. The stores forget them with the
    next copying; a store may refuse to and keep them.
    """
    ids = list(db.session.scalars(select(Site.id).order_by(Site.id)))
    judged: list[Judged] = []
    for start in range(0, len(ids), _SITES_AT_ONCE):
        if start:
            time.sleep(_PAUSE_SECONDS)
        judged += _prune_sites(ids[start : start + _SITES_AT_ONCE], by=by)
    return judged


def _prune_sites(site_ids: Sequence[int], *, by: str) -> list[Judged]:
    with transaction() as session:
        query = select(Backup).where(Backup.expired_at.is_(None), Backup.site_id.in_(site_ids))
        # All there are, for years: without their manifests.
        copies = selectinload(Backup.copies).joinedload(BackupCopy.store)
        query = query.order_by(Backup.id).options(defer(Backup.manifest), copies)
        of_sites: dict[int, list[Backup]] = defaultdict(list)
        for backup in session.scalars(query):
            of_sites[backup.site_id].append(backup)
        rules, zone = policy(), ZoneInfo(settings.get(settings.TIMEZONE))
        judged = [one for group in of_sites.values() for one in _judged(group, rules, zone)]
        _let_go([one.backup for one in judged if one.reason.may_go], by=by)
        return judged


def _let_go(gone: Sequence[Backup], *, by: str) -> None:
    if not gone:
        return
    for backup in gone:
        backup.expired_at = utc_now()
    names = [backup.name for backup in gone]
    audit.record("backup.prune", f"{len(gone)}", by=by, detail={"names": names})


def _judged(backups: Sequence[Backup], rules: Policy, zone: ZoneInfo) -> list[Judged]:
    # What never reached a store must not push out what did; what is lost pushes out nothing, nor
    # what only a store has that cannot be used.
    failed = ProofState.FAILED
    arrived = [one for one in backups if _is_to_be_had(one) or one.proof_state is failed]
    kept = [
        Kept(
            id=one.id,
            taken_at=one.taken_at.astimezone(zone).replace(tzinfo=None),
            is_proven=one.proof_state is ProofState.PROVEN,
            is_held=one.is_held,
            is_damaged=one.proof_state is failed,
        )
        for one in arrived
    ]
    reasons = judge(kept, rules)
    return [Judged(one, reasons[one.id]) for one in arrived]


def _is_to_be_had(backup: Backup) -> bool:
    return any(
        one.state is CopyState.STORED and one.store.failing_since is None for one in backup.copies
    )
