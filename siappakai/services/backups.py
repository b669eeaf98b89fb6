"""Backups as people ask for them: take, look, prove, hold, let the old ones go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import defer, joinedload, selectinload

from siappakai.domain.backups import CopyState, ProofState
from siappakai.domain.states import UNBUILT
from siappakai.errors import NotFoundError, RefusedError
from siappakai.models import Backup, BackupCopy, Run, Server, Site, db
from siappakai.models.transactions import transaction
from siappakai.services import audit, backup_keys, runs, sites, stores
from siappakai.services.paging import Page, paginate
from siappakai.wording import say

TAKE: Final = "backup"
COPY: Final = "copy"
PROVE: Final = "prove"
PROVEN_AT_ONCE: Final = 10
# Of those that have waited, so many are proven in one night besides the newest.
_OLDER_AT_ONCE: Final = 500


def get_backup(backup_id: int) -> Backup:
    """Return a backup; raises NotFoundError."""
    backup = db.session.get(Backup, backup_id)
    if backup is None:
        raise NotFoundError(
            say("Cadangan %(id)s tidak ada.", id=backup_id), say("Lihat daftar cadangan.")
        )
    return backup


def list_backups(
    *, site_id: int | None = None, with_expired: bool = False, page: int = 1, per_page: int = 50
) -> Page[Backup]:
    """Return backups, newest first; of one site, or all."""
    query = select(Backup).order_by(Backup.taken_at.desc(), Backup.id.desc())
    if site_id is not None:
        query = query.where(Backup.site_id == site_id)
    if not with_expired:
        query = query.where(Backup.expired_at.is_(None))
    counted = query.with_only_columns(Backup.id)
    query = query.options(
        joinedload(Backup.site).joinedload(Site.village),
        selectinload(Backup.copies).joinedload(BackupCopy.store),
        defer(Backup.manifest),
    )
    return paginate(query, lambda row: row[0], page=page, per_page=per_page, counted=counted)


def request_take(*, site_ids: Sequence[int], by: str, retry_of: int | None = None) -> list[Run]:
    """Ask for backups of sites; one run per server, and one more that carries them to the stores.

    Sites that have nothing on their server are left out. Raises RefusedError without recovery
    key, without a store, or when no site is left.
    """
    with transaction() as session:
        backup_keys.recipients()
        if not stores.list_stores():
            raise RefusedError(
                say("Belum ada penyimpanan untuk cadangan."),
                say("Tambahkan dahulu: siappakai store add-folder atau add-bucket."),
            )
        query = select(Site).where(Site.id.in_(site_ids), Site.state.not_in(UNBUILT))
        groups: dict[int, list[Site]] = defaultdict(list)
        for site in session.scalars(query.order_by(Site.id)):
            groups[site.server_id].append(site)
        if not groups:
            raise RefusedError(
                say("Tidak ada situs terpasang untuk dicadangkan."),
                say("Pilih desa yang situsnya sudah terpasang."),
            )
        return [
            runs.create_site_run(TAKE, group, by=by, retry_of=retry_of) for group in groups.values()
        ]


def all_site_ids() -> list[int]:
    """Return the sites that have something to be backed up, training copies left out."""
    built = select(Site.id).where(Site.state.not_in(UNBUILT), sites.is_real())
    return list(db.session.scalars(built))


def request_copy(server: Server, *, by: str, retry_of: int | None = None) -> Run:
    """Ask for a server's backups to be carried to the stores."""
    return runs.create_server_run(COPY, server, by=by, retry_of=retry_of)


def request_prove(*, backup_ids: Sequence[int], by: str, retry_of: int | None = None) -> list[Run]:
    """Ask for backups to be restored and counted on the servers that prove, in turns.

    Raises RefusedError when none proves, or none of the backups has reached a store.
    """
    with transaction() as session:
        provers = backup_keys.provers()
        if not provers:
            raise RefusedError(
                say("Belum ada server pembukti."), say("Tunjuk satu: siappakai backup prover.")
            )
        stored = select(BackupCopy.backup_id).where(BackupCopy.state == CopyState.STORED)
        query = select(Backup.id).where(Backup.id.in_(backup_ids), Backup.id.in_(stored))
        found = list(session.scalars(query.order_by(Backup.id)))
        if not found:
            raise RefusedError(
                say("Tidak satu pun dari cadangan itu ada di penyimpanan."),
                say("Tunggu sampai tersalin, atau periksa penyimpanannya."),
            )
        shares = [(server, found[turn :: len(provers)]) for turn, server in enumerate(provers)]
        return [
            run
            for server, share in shares
            for run in _ask_proofs(server, share, by=by, retry_of=retry_of)
        ]


def request_share(server: Server, *, by: str) -> list[Run]:
    """Ask one prover for its share of what waits to be proven; nothing for other servers."""
    provers = [one.id for one in backup_keys.provers()]
    if server.id not in provers:
        return []
    return _ask_proofs(server, proof_queue()[provers.index(server.id) :: len(provers)], by=by)


def _ask_proofs(
    server: Server, share: Sequence[int], *, by: str, retry_of: int | None = None
) -> list[Run]:
    """Ask for proofs in runs of a few, one after the other: what one proves lies there at once."""
    return [
        runs.create_server_run(
            PROVE,
            server,
            by=by,
            retry_of=retry_of,
            options={"backups": list(share[start : start + PROVEN_AT_ONCE])},
        )
        for start in range(0, len(share), PROVEN_AT_ONCE)
    ]


def unproven(*, proven_before: datetime | None = None) -> list[int]:
    """Return the newest backup of each site that is in a store and was never proven.

    With `proven_before` also those that were last proven before that time.
    """
    newest = select(func.max(Backup.id)).join(Backup.copies)
    newest = newest.where(BackupCopy.state == CopyState.STORED, Backup.expired_at.is_(None))
    due = Backup.proof_state == ProofState.UNPROVEN
    if proven_before is not None:
        due |= Backup.proven_at < proven_before
    query = select(Backup.id).where(Backup.id.in_(newest.group_by(Backup.site_id)), due)
    return list(db.session.scalars(query.order_by(Backup.id)))


def proof_queue() -> list[int]:
    """Return the backups that wait to be proven: the newest of each site, then the oldest.

    So each gets its proof before the rules let it go, however many nights a prover was away. What
    could not be proven for another reason than its contents (a key the provers had not yet, say)
    is not tried each night anew; people may ask for it.
    """
    newest = unproven()
    query = _waiting().where(Backup.id.not_in(newest), Backup.proof_message == "")
    query = query.order_by(Backup.taken_at, Backup.id).limit(_OLDER_AT_ONCE)
    return [*newest, *db.session.scalars(query)]


def waiting_for_proof() -> int:
    """Return how many of the backups that are kept were never proven."""
    return db.session.scalar(_waiting().with_only_columns(func.count())) or 0


def _waiting() -> Select[int]:
    stored = select(BackupCopy.id).where(
        BackupCopy.backup_id == Backup.id, BackupCopy.state == CopyState.STORED
    )
    return select(Backup.id).where(
        Backup.proof_state == ProofState.UNPROVEN, Backup.expired_at.is_(None), stored.exists()
    )


def set_held(backup_id: int, *, held: bool, by: str) -> Backup:
    """Never let a backup go, or leave it to the rules again; RefusedError when it is gone."""
    with transaction():
        backup = get_backup(backup_id)
        if backup.expired_at is not None:
            raise RefusedError(
                say("Cadangan %(name)s sudah dipangkas.", name=backup.name),
                say("Pilih cadangan lain."),
            )
        backup.is_held = held
        audit.record("backup.hold" if held else "backup.release", backup.name, by=by)
        return backup
