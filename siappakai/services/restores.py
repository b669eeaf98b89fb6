"""Opening a backup with the recovery key, and bringing back a village that is gone with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlalchemy import select

from siappakai.domain.backups import CopyState, manifest_hash
from siappakai.domain.states import UNBUILT
from siappakai.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
    SiapPakaiError,
)
from siappakai.gateways.unsealing import unsealed
from siappakai.models import Backup, BackupCopy, Release, Run, Server, Site, Village, db
from siappakai.models.transactions import transaction
from siappakai.services import adoptions, audit, incoming
from siappakai.services.fetching import fetch
from siappakai.wording import say

_IDENTITY: Final = re.compile("AGE-SECRET-KEY-1[0-9A-Z]{58}")


def newest_of(village: Village) -> Backup:
    """Return the newest backup of a village that is in a store; raises NotFoundError."""
    query = (
        select(Backup)
        .join(Backup.copies)
        .join(Site, Site.id == Backup.site_id)
        .where(Site.village_id == village.id, BackupCopy.state == CopyState.STORED)
        .order_by(Backup.taken_at.desc())
        .limit(1)
    )
    backup = db.session.scalar(query)
    if backup is None:
        raise NotFoundError(
            say("%(village)s tidak punya cadangan di penyimpanan.", village=village.name),
            say("Lihat daftar cadangan."),
        )
    return backup


def request_restore(
    backup: Backup, *, identity: str, server: Server | None, domain: str, by: str
) -> Run:
    """Bring a village back as a site of its own, from a backup in a store.

    The site must be gone: removed, or planned anew on any server. What comes out of the backup
    lies on this machine, closed to others, until the site is installed. Raises InvalidInputError
    (field `key`), RefusedError for a wrong key or a damaged backup, and the errors of adoptions.
    """
    key_in(identity)
    village = backup.site.village
    if backup.site.state not in UNBUILT:
        raise ConflictError(
            say("Situs %(village)s masih tercatat ada.", village=village.name),
            say("Hapus situs itu dahulu, atau lepaskan servernya bila server itu hilang."),
        )
    wish = adoptions.Wish(
        server=server,
        domain=domain or str(backup.manifest["domain"]),
        release=release_of(backup),
    )
    # What cannot be planned is told before anything is decrypted.
    adoptions.planned_for(village, wish, by=by)
    open_backup(backup, identity=identity, by=by)
    with transaction():
        audit.record("backup.restore", village.code, by=by, detail={"backup": backup.name})
        return adoptions.request(village, wish, only_look=False, by=by)


def release_of(backup: Backup) -> Release:
    """Return the release a backup was taken of; raises RefusedError when it is not pinned."""
    wanted = select(Release).where(
        Release.app == backup.site.app, Release.version == backup.manifest["release"]
    )
    release = db.session.scalar(wanted)
    if release is None:
        raise RefusedError(
            say("Rilis %(version)s belum disematkan.", version=backup.manifest["release"]),
            say("Sematkan rilis itu dahulu: siappakai release pin."),
        )
    return release


def open_backup(backup: Backup, *, identity: str, code: str = "", by: str) -> None:
    """Open a backup out of a store, onto this machine; nothing is kept of a damaged one.

    `identity` is the recovery key, or a text that holds it. It is kept for its village, or for the
    one with `code` that shall become a copy. Raises InvalidInputError (field `key`), RefusedError
    for a wrong key, a damaged backup or one that is in no store.
    """
    key, code = key_in(identity), code or backup.site.village.code
    known, former = manifest_hash(backup.manifest), incoming.digest_of(code)

    def receive(sealed: Iterator[bytes]) -> None:
        with unsealed(sealed, key) as plain:
            incoming.receive_backup(code, plain, backup_id=backup.id, manifest_sha256=known, by=by)

    try:
        fetch(backup, receive)
    except SiapPakaiError:
        # Seen to be damaged at its very end; what was opened before stays.
        if incoming.digest_of(code) != former:
            incoming.forget(code)
        raise


def key_in(text: str) -> str:
    """Return the recovery key a text holds; raises InvalidInputError (field `key`) for none."""
    found = _IDENTITY.search(text)
    if found is None:
        raise InvalidInputError(
            say("Itu bukan kunci pemulihan."),
            say("Kuncinya dimulai dengan AGE-SECRET-KEY-1."),
            field="key",
        )
    return found[0]
