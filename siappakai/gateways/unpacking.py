"""Laying down an opened backup in a folder, for people to look into or carry elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, Final

from siappakai.errors import RefusedError
from siappakai.wording import say

MANIFEST: Final = "manifest.json"
_LARGEST_MANIFEST: Final = 16 << 20
_PIECE: Final = 1 << 20
_LONGEST_NAME: Final = 255
# What stays free on the disk.
RESERVE: Final = 256 << 20


@dataclass
class Unpacked:
    """What was laid down, and how much could not be: links, and names that lead elsewhere."""

    manifest: dict[str, Any] = field(default_factory=dict)
    files: int = 0
    size: int = 0
    left_out: int = 0


def unpack(plain: IO[bytes], folder: Path) -> Unpacked:
    """Lay down the archive in an opened backup in an empty folder, readable by its owner alone.

    Only files and folders are made, so that nothing in `folder` can lead out of it. Raises
    RefusedError for what is no archive, and before the disk is full.
    """
    told = Unpacked()
    try:
        with tarfile.open(fileobj=plain, mode="r|") as archive:
            for entry in archive:
                _lay_down(archive, entry, folder, told)
    except tarfile.TarError as error:
        raise RefusedError(
            say("Cadangan itu rusak dan tidak dapat dibaca."),
            say("Pakai salinan di penyimpanan lain, atau cadangan yang lebih lama."),
        ) from error
    with (folder / MANIFEST).open("rb") as written:
        told.manifest = json.loads(written.read(_LARGEST_MANIFEST))
    return told


def require_room(folder: Path, size: int) -> None:
    """Raise RefusedError when `size` more bytes would fill the disk of a folder."""
    if shutil.disk_usage(folder).free < RESERVE + size:
        raise RefusedError(
            say("Disk tempat %(folder)s tidak cukup.", folder=folder),
            say("Kosongkan disk itu, atau pilih folder di disk lain."),
        )


def _lay_down(
    archive: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path, told: Unpacked
) -> None:
    path = PurePosixPath(entry.name)
    content = archive.extractfile(entry) if entry.isreg() else None
    if not _is_inside(path) or (content is None and not entry.isdir()):
        told.left_out += 1
        return
    target = folder / path
    if content is None:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_room(folder, entry.size)
    with closed_file(target) as file:
        shutil.copyfileobj(content, file, _PIECE)
    os.utime(target, (entry.mtime, entry.mtime))
    told.files += 1
    told.size += entry.size


def closed_file(path: Path) -> BinaryIO:
    """Open a new file for writing that its owner alone can read; raises FileExistsError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def _is_inside(path: PurePosixPath) -> bool:
    return (
        bool(path.parts)
        and not path.is_absolute()
        and all(
            part != ".." and "\0" not in part and len(os.fsencode(part)) <= _LONGEST_NAME
            for part in path.parts
        )
    )
