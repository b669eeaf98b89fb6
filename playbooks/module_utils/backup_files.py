"""The files of a village on their way into an archive, read as root from what is the village's.

Every folder is walked from an open directory and no link is followed, so that nothing there can
make root read elsewhere. A file that shrinks while it is read is filled up with zeros, as its
size is written before it; the manifest says how many did.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import tarfile
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from .content_sums import FileSums

if TYPE_CHECKING:
    from pathlib import Path

# What of a site's folder is the village's own; the rest comes with its installation.
KEPT = ("desa", "storage/app", ".siappakai.json")
FOLDER = "files"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_PERMISSIONS = 0o777


@dataclass
class Packed:
    """What went into the archive, what was no file or folder, and what changed meanwhile."""

    sums: FileSums = field(default_factory=FileSums)
    left_out: int = 0
    changed: int = 0

    def figures(self) -> dict[str, int | str]:
        """Return what the manifest says of the files."""
        return {**self.sums.figures(), "left_out": self.left_out, "changed": self.changed}


def pack(archive: tarfile.TarFile, folder: Path) -> Packed:
    """Add the village's files below `folder`; return what was added."""
    packed = Packed()
    for name in KEPT:
        path = folder / name
        if path.is_symlink():
            packed.left_out += 1
        elif path.is_dir():
            _pack_folder(archive, path, f"{FOLDER}/{name}", packed)
        elif path.is_file():
            _pack_file(archive, str(path), None, f"{FOLDER}/{name}", packed)
    return packed


def bytes_of(folder: Path) -> int:
    """Return about how much `pack` would add."""
    total = 0
    for top in [folder / name for name in KEPT if (folder / name).is_dir()]:
        for _, _, files, descriptor in os.fwalk(top):
            for file in files:
                with suppress(FileNotFoundError):
                    total += os.stat(file, dir_fd=descriptor, follow_symlinks=False).st_size
    return total


def _pack_folder(archive: tarfile.TarFile, top: Path, name: str, packed: Packed) -> None:
    # Follows no link, not even one that takes the place of a folder meanwhile.
    for below, folders, files, descriptor in os.fwalk(top):
        inside = name + below.removeprefix(str(top))
        archive.addfile(_folder_entry(inside, os.fstat(descriptor)))
        packed.left_out += sum(_is_link(one, descriptor) for one in folders)
        for file in files:
            _pack_file(archive, file, descriptor, f"{inside}/{file}", packed)


def _is_link(name: str, parent: int) -> bool:
    with suppress(FileNotFoundError):
        return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    return False


def _pack_file(
    archive: tarfile.TarFile, path: str, parent: int | None, name: str, packed: Packed
) -> None:
    try:
        descriptor = os.open(path, _READ, dir_fd=parent)
    except OSError as problem:
        # Deleted since its folder was read; or a link, or a socket.
        packed.changed += problem.errno == errno.ENOENT
        packed.left_out += problem.errno in {errno.ELOOP, errno.ENXIO}
        if problem.errno not in {errno.ENOENT, errno.ELOOP, errno.ENXIO}:
            raise
        return
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            packed.left_out += 1
            return
        reader = _Whole(file, found.st_size)
        archive.addfile(_file_entry(name, found), reader)
    packed.changed += reader.is_short
    packed.sums.add(name, found.st_size, reader.digest.digest())


class _Whole(io.RawIOBase):
    """Gives exactly as many bytes as were announced, and hashes them."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file = file
        self.left = size
        self.digest = hashlib.sha256()
        self.is_short = False

    def read(self, size: int = -1) -> bytes:
        wanted = self.left if size < 0 else min(size, self.left)
        piece = self.file.read(wanted)
        if len(piece) < wanted:
            self.is_short = True
            piece = piece.ljust(wanted, b"\0")
        self.left -= len(piece)
        self.digest.update(piece)
        return piece


def _folder_entry(name: str, found: os.stat_result) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.DIRTYPE
    return _attributes(entry, found)


def _file_entry(name: str, found: os.stat_result) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = found.st_size
    return _attributes(entry, found)


def _attributes(entry: tarfile.TarInfo, found: os.stat_result) -> tarfile.TarInfo:
    entry.mode = stat.S_IMODE(found.st_mode) & _PERMISSIONS
    entry.mtime = int(found.st_mtime)
    return entry
