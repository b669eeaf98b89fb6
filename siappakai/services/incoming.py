"""The files of villages that move in, or come back: kept on this machine, closed to others.

They go once the village has moved in, or after some days; an opened backup after a day at most.
What a process that was killed left half received goes with the clock's next rounds.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from siappakai.errors import ConflictError, InvalidInputError, RefusedError
from siappakai.gateways.bundles import app_key_in_backup, app_key_of
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit, villages
from siappakai.services.exclusion import held
from siappakai.wording import say

FILES, DATABASE = "files", "database"
KEPT_DAYS: Final = 7
OPENED_HOURS: Final = 24
# Who receives something holds a lock on its folder. Between making and locking it lies less.
_UNLOCKED_SECONDS: Final = 60
_NOTE: Final = "bundle.json"
_PIECE: Final = 1 << 20
# What stays free on this machine's disk.
_RESERVE: Final = 1 << 30
_APP_KEY: Final = re.compile(r"(?:base64:)?[A-Za-z0-9+/=_-]{16,90}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was received of a village. `digest` stands for the contents of its files.

    Of an opened backup also its number and the hash of its manifest.
    """

    folder: Path
    digest: str
    app_key: str
    has_database: bool
    backup_id: int = 0
    manifest_sha256: str = ""

    def paths(self) -> dict[str, str]:
        """Return where its files lie; the database's empty when the archive holds it."""
        database = str(self.folder / DATABASE) if self.has_database else ""
        known = {"manifest_sha256": self.manifest_sha256}
        return {FILES: str(self.folder / FILES), DATABASE: database, **known}


def receive(code: str, *, files: IO[bytes], database: IO[bytes] | None, by: str) -> Bundle:
    """Keep the files of a village that shall move in, in place of those received before.

    `files` is the archive of its folder desa/, `database` its SQL file; without it the archive
    holds that too. Raises InvalidInputError (field `files`), RefusedError when the disk is full.
    """
    village = villages.get_village(code)
    with _arriving(village.code) as fresh:
        bundle = _keep(fresh, files, database)
    with transaction():
        audit.record("village.receive", village.code, by=by, detail={"digest": bundle.digest})
    return received(village.code)


def receive_backup(
    code: str, plain: IO[bytes], *, backup_id: int, manifest_sha256: str, by: str
) -> Bundle:
    """Keep an opened backup of a village, in place of what was received before.

    Raises RefusedError when the disk is full; whatever reading it raises leaves nothing of it.
    """
    with _arriving(code) as fresh:
        digest = _digest([_copy(plain, fresh / FILES)])
        key = app_key_in_backup(fresh / FILES)
        _note(
            fresh,
            Bundle(
                fresh,
                digest,
                key,
                has_database=False,
                backup_id=backup_id,
                manifest_sha256=manifest_sha256,
            ),
        )
    with transaction():
        audit.record("village.receive", code, by=by, detail={"digest": digest})
    return received(code)


def digest_of(code: str) -> str:
    """Return what stands for the files that were received of a village; empty for none."""
    try:
        return received(code).digest
    except RefusedError:
        return ""


@contextmanager
def _arriving(code: str) -> Iterator[Path]:
    """Yield a closed folder to fill; it takes the place of the former one when all went well."""
    forget_old()
    folder = _folder(code)
    fresh = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh.mkdir(mode=0o700)
    try:
        with held(fresh, _receiving()):
            yield fresh
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    except BaseException:
        shutil.rmtree(fresh)
        raise


def received(code: str) -> Bundle:
    """Return what was received of a village (plain code); raises RefusedError."""
    folder = _folder(code)
    try:
        note = json.loads((folder / _NOTE).read_text())
    except FileNotFoundError:
        raise RefusedError(
            say("Berkas desa %(code)s tidak ada di mesin ini.", code=code),
            say("Kirim lagi arsip folder desa dan berkas SQL-nya."),
        ) from None
    return Bundle(folder, **note)


def received_as(code: str, digest: str) -> Bundle:
    """Return what was received of a village when it is still the same; raises ConflictError."""
    bundle = received(code)
    if bundle.digest != digest:
        raise ConflictError(
            say("Berkas desa %(code)s sudah diganti dengan yang lain.", code=code),
            say("Periksa berkas yang baru, lalu minta lagi."),
        )
    return bundle


def forget(code: str) -> None:
    """Delete what was received of a village."""
    shutil.rmtree(_folder(code), ignore_errors=True)


def forget_old() -> None:
    """Delete what was received long ago, and halves that nobody sends on; done by the clock."""
    for folder in [*_folder("x").parent.glob("*")]:
        with suppress(FileNotFoundError):
            age = time.time() - folder.stat().st_mtime
            if age > _lasting(folder) and not _is_held(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_held(folder: Path) -> bool:
    """Tell whether somebody receives something there; a lock ends with its process."""
    try:
        with held(folder, _receiving()):
            return False
    except ConflictError:
        return True


def _receiving() -> ConflictError:
    return ConflictError(say("Berkas desa itu sedang diterima."), say("Tunggu, lalu ulangi."))


def _lasting(folder: Path) -> float:
    """Return for how many seconds a folder may lie there."""
    try:
        is_opened = received(folder.name).backup_id > 0
    except RefusedError:
        return _UNLOCKED_SECONDS  # not whole, and never will be
    return OPENED_HOURS * 3600 if is_opened else KEPT_DAYS * 86400


def _folder(code: str) -> Path:
    return current_settings().state / "incoming" / code


def _keep(folder: Path, files: IO[bytes], database: IO[bytes] | None) -> Bundle:
    sums = [_copy(files, folder / FILES)]
    if database is not None:
        sums.append(_copy(database, folder / DATABASE))
    app_key = app_key_of(folder / FILES)
    if not _APP_KEY.fullmatch(app_key):
        raise InvalidInputError(
            say("app_key di arsip itu bukan kunci OpenSID."),
            say("Kemas ulang folder desa/ dari situs yang berjalan."),
            field=FILES,
        )
    bundle = Bundle(folder, _digest(sums), app_key, database is not None)
    _note(folder, bundle)
    return bundle


def _note(folder: Path, bundle: Bundle) -> None:
    note = {key: value for key, value in asdict(bundle).items() if key != "folder"}
    path = folder / _NOTE
    path.touch(mode=0o600)
    path.write_text(json.dumps(note))


def _digest(sums: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()


def _copy(source: IO[bytes], target: Path) -> str:
    """Copy a stream; return its checksum. Raises RefusedError before the disk is full."""
    found = hashlib.sha256()
    target.touch(mode=0o600)
    with target.open("wb") as file:
        while piece := source.read(_PIECE):
            if shutil.disk_usage(target.parent).free < _RESERVE + len(piece):
                raise RefusedError(
                    say("Disk mesin ini tidak cukup untuk berkas desa itu."),
                    say("Kosongkan disk, lalu ulangi."),
                )
            found.update(piece)
            file.write(piece)
    return found.hexdigest()
