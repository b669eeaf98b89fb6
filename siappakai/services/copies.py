"""The copies of backups in the stores: which are to be made or deleted, what was seen of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, insert, literal, or_, select
from sqlalchemy.orm import Session, aliased, joinedload

from siappakai.domain.backups import CopyState, ProofState
from siappakai.domain.states import ServerState
from siappakai.errors import SiapPakaiError
from siappakai.models import Backup, BackupCopy, Server, Site, Store, db, utc_now
from siappakai.models.transactions import transaction

# What a store did not let go of is tried again this much later.
REFUSED_PAUSE: Final = timedelta(days=1)


def in_stores(what: Any) -> Select[Any]:
    """Select something of the copies in stores that are ours, backups and stores joined."""
    query = select(what).select_from(BackupCopy).join(BackupCopy.backup).join(BackupCopy.store)
    return query.where(Store.removed_at.is_(None))


def of_stores() -> Select[BackupCopy]:
    """Select the copies in stores that are ours, with what names them.

    Without manifests: there are thousands of copies, and each manifest has a line per table.
    """
    backup = joinedload(BackupCopy.backup)
    named = backup.joinedload(Backup.site).joinedload(Site.village)
    return in_stores(BackupCopy).options(backup.defer(Backup.manifest), named)


def of_servers(server_ids: list[int]) -> Select[BackupCopy]:
    """Select the copies of backups of servers in the stores that are ours, with their names."""
    return of_stores().where(Backup.server_id.in_(server_ids))


def wanted() -> ColumnElement[bool]:
    """Tell which copies are to be made: by what they are, and as there is something to copy.

    A damaged one stays where nothing can be written over.
    """
    other = aliased(BackupCopy)
    sound = select(other.id).where(
        other.backup_id == BackupCopy.backup_id, other.state == CopyState.STORED
    )
    absent = BackupCopy.state.in_((CopyState.WAITING, CopyState.MISSING))
    spoilt = and_(BackupCopy.state == CopyState.DAMAGED, Store.is_append_only.is_(False))
    has_origin = or_(Backup.is_spooled, sound.exists())
    return and_(Backup.expired_at.is_(None), or_(absent, spoilt), has_origin)


def expired() -> ColumnElement[bool]:
    """Tell which copies the rules let go that still lie, or may lie, in their store.

    Not what is held since, nor what was proven while nothing else of its site is, any more, in a
    store that works.
    """
    newer, copy, keeper = aliased(Backup), aliased(BackupCopy), aliased(Store)
    proven = (
        select(newer.id)
        .join(copy, copy.backup_id == newer.id)
        .join(keeper, (keeper.id == copy.store_id) & keeper.failing_since.is_(None))
        .where(newer.site_id == Backup.site_id, newer.expired_at.is_(None))
        .where(newer.proof_state == ProofState.PROVEN, copy.state == CopyState.STORED)
    )
    may_go = or_(Backup.proof_state != ProofState.PROVEN, proven.exists())
    let_go = Backup.expired_at.is_not(None) & Backup.is_held.is_(False)
    return and_(let_go, BackupCopy.state != CopyState.DELETED, may_go)


def deletable(now: datetime | None = None) -> ColumnElement[bool]:
    """Tell which copies the panel is to delete now: what a store refused, a day later again."""
    since = (now or utc_now()) - REFUSED_PAUSE
    is_kept_back = and_(BackupCopy.state == CopyState.STORED, BackupCopy.message != "")
    was_refused = and_(is_kept_back, BackupCopy.checked_at > since)
    return and_(expired(), Store.is_append_only.is_(False), ~was_refused)


def provide(session: Session, store_id: int, server_ids: Sequence[int] | None = None) -> None:
    """Note that a store lacks the backups it was never told of: of some servers, or of all.

    One statement, whatever there is of them. Two who do it at once are kept apart by a lock on
    the store.
    """
    session.execute(select(Store.id).where(Store.id == store_id).with_for_update())
    known, other = aliased(BackupCopy), aliased(BackupCopy)
    is_known = select(known.id).where(known.backup_id == Backup.id, known.store_id == store_id)
    sound = select(other.id).where(other.backup_id == Backup.id, other.state == CopyState.STORED)
    lacking = select(Backup.id, literal(store_id)).where(
        Backup.expired_at.is_(None), or_(Backup.is_spooled, sound.exists()), ~is_known.exists()
    )
    if server_ids is not None:
        lacking = lacking.where(Backup.server_id.in_(server_ids))
    columns = ["backup_id", "store_id"]
    session.execute(insert(BackupCopy).from_select(columns, lacking))


def wards(server: Server) -> list[int]:
    """Return the servers whose backups are looked after by runs on this one, itself among them.

    Those that left the fleet are the first ready one's: their copies outlive them.
    """
    ready = select(Server.id).where(Server.state == ServerState.READY).order_by(Server.id)
    if db.session.scalar(ready.limit(1)) != server.id:
        return [server.id]
    left = select(Server.id).where(Server.state == ServerState.FORGOTTEN)
    return [server.id, *db.session.scalars(left)]


def mark(copy_id: int, state: CopyState, problem: SiapPakaiError | None = None) -> None:
    """Note where a copy stands, and why when that is bad.

    Nothing is noted of one whose store was removed meanwhile.
    """
    with transaction() as session:
        copy = session.get(BackupCopy, copy_id, with_for_update=True)
        if copy is None or copy.state is CopyState.LEFT:
            return
        copy.state, copy.checked_at = state, utc_now()
        copy.message = problem.told if problem else ""
        if problem:
            _note_loss(session, copy.backup, problem)


def note_refused(copy_id: int, problem: SiapPakaiError) -> None:
    """Note that a store did not let go of a copy, which is there as it was."""
    with transaction() as session:
        copy = session.get_one(BackupCopy, copy_id, with_for_update=True)
        copy.message, copy.checked_at = problem.told, utc_now()


def lose_spooled(backup_id: int, problem: SiapPakaiError) -> None:
    """Note that a backup cannot be had from its server any more."""
    with transaction() as session:
        backup = session.get_one(Backup, backup_id, with_for_update=True)
        backup.is_spooled = False
        _note_loss(session, backup, problem)


def find_again(copy_id: int) -> None:
    """Note that a copy that was missing is there after all, and sound."""
    mark(copy_id, CopyState.STORED)
    with transaction() as session:
        backup = session.get_one(BackupCopy, copy_id).backup
        if backup.proof_state is ProofState.FAILED:
            backup.proof_state, backup.proof_message = ProofState.UNPROVEN, ""


def _note_loss(session: Session, backup: Backup, problem: SiapPakaiError) -> None:
    """Give up a backup that nothing gives back any more: what waits for it waits in vain."""
    session.flush()
    if backup.is_spooled or backup.is_stored:
        return
    backup.proof_state, backup.proof_message = ProofState.FAILED, problem.told
    for copy in backup.copies:
        if copy.state is CopyState.WAITING:
            copy.state, copy.message = CopyState.MISSING, problem.told
