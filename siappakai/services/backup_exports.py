"""Carrying a backup away: out of a store into a folder, as it lies there or opened."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from siappakai.domain.backups import CopyState, manifest_hash
from siappakai.errors import ConflictError, InvalidInputError, RefusedError
from siappakai.gateways.unpacking import closed_file, require_room, unpack
from siappakai.gateways.unsealing import unsealed
from siappakai.models import Backup, BackupCopy, db
from siappakai.models.transactions import transaction
from siappakai.services import audit
from siappakai.services.fetching import fetch, streamed
from siappakai.services.restores import key_in
from siappakai.wording import say

_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: a sealed file, or the folder of an opened one.

    `is_new`: it was not there yet. `left_out` counts what cannot be laid down safely.
    """

    path: Path
    size: int
    files: int = 1
    left_out: int = 0
    is_new: bool = True


def newest_of(site_ids: Sequence[int]) -> list[Backup]:
    """Return the newest backup of each site that is in a store and was not found damaged."""
    newest = select(func.max(Backup.id)).join(Backup.copies)
    newest = newest.where(BackupCopy.state == CopyState.STORED, Backup.site_id.in_(site_ids))
    newest = newest.where(Backup.expired_at.is_(None)).group_by(Backup.site_id)
    query = select(Backup).where(Backup.id.in_(newest)).order_by(Backup.id)
    return list(db.session.scalars(query))


def export(backup: Backup, folder: Path, *, by: str) -> Exported:
    """Write a sealed backup into a folder, with what is remembered of it beside it.

    One that lies there already, whole, is left as it is. Raises InvalidInputError (field `to`)
    for a folder that cannot be written to, ConflictError for something else of that name, and the
    errors of the stores.
    """
    target = _require_folder(folder) / backup.name
    if target.exists():
        _require_same(backup, target)
        return Exported(target, backup.size, is_new=False)
    _note(backup, by, is_opened=False)
    require_room(folder, backup.size)
    part = folder / f".{backup.name}.part"

    def write(pieces: Iterator[bytes]) -> None:
        part.unlink(missing_ok=True)
        with closed_file(part) as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())

    try:
        fetch(backup, write)
        _describe(backup, folder)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return Exported(target, backup.size)


@contextmanager
def handed_out(backup: Backup, *, by: str) -> Iterator[Iterator[bytes]]:
    """Yield the pieces of a sealed backup for somebody who asked for it; audited before.

    Raises the errors of the stores, and RefusedError before the last piece of one that is not what
    was taken.
    """
    with streamed(backup) as pieces:
        _note(backup, by, is_opened=False)
        yield pieces


def export_opened(backup: Backup, folder: Path, *, identity: str, by: str) -> Exported:
    """Lay down an opened backup in a folder of its own below `folder`, closed to others.

    `identity` is the recovery key, or a text that holds it. Raises InvalidInputError (field `key`
    or `to`), ConflictError when the folder is there already, RefusedError for a wrong key or
    for what is not what was taken, and the errors of the stores; nothing is left then.
    """
    key = key_in(identity)
    target = _require_folder(folder) / backup.name.removesuffix(".age")
    if target.exists():
        raise ConflictError(
            say("%(path)s sudah ada.", path=target), say("Hapus dahulu, atau pilih folder lain.")
        )
    _note(backup, by, is_opened=True)
    part = folder / f".{target.name}.part"

    def lay_down(pieces: Iterator[bytes]) -> Exported:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        with unsealed(pieces, key) as plain:
            told = unpack(plain, part)
        if manifest_hash(told.manifest) != manifest_hash(backup.manifest):
            raise RefusedError(
                say("Cadangan %(name)s bukan yang dahulu dibuat.", name=backup.name),
                say("Pakai salinan di penyimpanan lain, dan periksa penyimpanan itu."),
            )
        return Exported(target, told.size, told.files, told.left_out)

    try:
        made = fetch(backup, lay_down)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return made


def _require_folder(folder: Path) -> Path:
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidInputError(
            say("%(folder)s bukan folder yang dapat ditulisi panel.", folder=folder),
            say("Buat foldernya, milik pengguna yang menjalankan panel."),
            field="to",
        )
    return folder


def _require_same(backup: Backup, path: Path) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != backup.sha256:
        raise ConflictError(
            say("%(path)s sudah ada dan isinya lain.", path=path),
            say("Pindahkan berkas itu, atau pilih folder lain."),
        )


def _describe(backup: Backup, folder: Path) -> None:
    """Write down beside a sealed backup what opens it and what must come out of it."""
    known = {
        "name": backup.name,
        "size": backup.size,
        "sha256": backup.sha256,
        "taken_at": backup.taken_at.isoformat(),
        "open": "age --decrypt -i recovery.key NAME | zstd -d | tar -x",
        "manifest": backup.manifest,
    }
    path = folder / f"{backup.name}.json"
    path.unlink(missing_ok=True)
    with closed_file(path) as file:
        file.write(json.dumps(known, indent=1, ensure_ascii=False).encode())


def _note(backup: Backup, by: str, *, is_opened: bool) -> None:
    with transaction():
        detail = {"backup": backup.name, "opened": is_opened}
        audit.record("backup.export", backup.site.village.code, by=by, detail=detail)
