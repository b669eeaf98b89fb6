"""Reading archives that strangers made: zip, tar, tar.gz or tar.zst, a member at a time.

Whoever reads decides what becomes of a member; nothing is written here, and nothing in an archive
names a place outside of it.
"""

from __future__ import annotations

import gzip
import os
import re
import resource
import stat
import subprocess
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from . import sandbox
from .outcome import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .account import Account

_MEMORY = 1 << 30
_MOST_MEMBERS = 1_000_000
_END_SECONDS = 60
_ZIP, _GZIP, _ZSTD = b"PK\x03\x04", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_TAR_END = bytes(1024)
_PIECE = 1 << 20
# What a damaged or hostile archive raises, besides what its reader says on purpose.
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError)
_BROKEN = (*_ZIP_ERRORS, tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error)
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Member:
    """One thing in an archive. `kind` is file, folder or other (a link, a device).

    `open` gives a file's content, once, before the next member is asked for.
    """

    path: PurePosixPath
    kind: str
    open: Callable[[], IO[bytes]]


@contextmanager
def members(archive: Path, account: Account) -> Iterator[Iterator[Member]]:
    """Yield the members of an archive, in its order.

    What unpacks zstd runs as `account`. Raises Refusal `files_refused` for what is no archive,
    names a place outside of itself, asks for too much memory or has a million members.
    """
    with archive.open("rb") as file, _bounded_memory():
        begin = file.read(4)
        file.seek(0)
        try:
            yield _checked(_opened(file, begin, account))
        except _BROKEN as problem:
            raise refused(f"it is damaged: {problem}") from problem
        except MemoryError:
            raise refused("it asks for more memory than it is given") from None


def _opened(file: IO[bytes], begin: bytes, account: Account) -> Iterator[Member]:
    if begin == _ZIP:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                yield _zipped(archive, info)
    elif begin == _ZSTD:
        with _unpacked(file, account) as plain:
            yield from _in_tar(plain)
    elif begin.startswith(_GZIP):
        with gzip.open(file) as plain:
            yield from _in_tar(plain)
    else:
        yield from _in_tar(file)
        file.seek(-len(_TAR_END), os.SEEK_END)
        if file.read() != _TAR_END:
            raise refused("it is cut off")


def _in_tar(plain: IO[bytes] | gzip.GzipFile) -> Iterator[Member]:
    with tarfile.open(fileobj=plain, mode="r|") as archive:
        for info in archive:
            yield _tarred(archive, info)
    while plain.read(_PIECE):
        continue  # only at its very end a compressed file is known to be whole


def _zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & 1:
        raise refused("it is locked with a password")
    plain = "folder" if info.is_dir() else "file"
    is_plain = kind in {0, stat.S_IFREG, stat.S_IFDIR}
    return Member(_safe(info.filename), plain if is_plain else "other", lambda: archive.open(info))


def _tarred(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    kind = "folder" if info.isdir() else "file" if info.isreg() else "other"

    def content() -> IO[bytes]:
        opened = archive.extractfile(info)
        if opened is None:
            raise refused(f"{info.name} has no content")
        return opened

    return Member(_safe(info.name), kind, content)


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or _DRIVE.match(name):
        raise refused(f"it holds {name[:200]!r}, which lies outside of it")
    if any(len(os.fsencode(part)) > 255 for part in path.parts) or not name.isprintable():  # noqa: PLR2004 - what a file system takes
        raise refused(f"it holds {name[:200]!r}, which is no name for a file")
    return path


def _checked(found: Iterator[Member]) -> Iterator[Member]:
    for number, member in enumerate(found):
        if number >= _MOST_MEMBERS:
            raise Refusal(
                "files_too_large",
                f"The archive holds more than {_MOST_MEMBERS} files. Nothing of it was kept.",
                most=_MOST_MEMBERS,
            )
        yield member


@contextmanager
def _unpacked(file: IO[bytes], account: Account) -> Iterator[IO[bytes]]:
    argv = [*sandbox.confined(account), "zstd", "-dcq", "--memory=256MB"]
    os.lseek(file.fileno(), 0, os.SEEK_SET)  # what was read of it lies in a buffer of ours
    with subprocess.Popen(  # noqa: S603 - an argv list of the system's own programs
        argv, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as unpacker:
        if unpacker.stdout is None:
            raise OSError("zstd has no output")
        try:
            yield unpacker.stdout
            if unpacker.wait(_END_SECONDS):
                raise refused("it is damaged or cut off")
        finally:
            unpacker.kill()


@contextmanager
def _bounded_memory() -> Iterator[None]:
    """Let this process grow by so much and no more: headers alone may ask for all there is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGESIZE") + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def refused(reason: str) -> Refusal:
    """Return the refusal of an archive that cannot be what a village sent."""
    return Refusal(
        "files_refused",
        f"The archive of the village's files was refused: {reason}. Nothing of it was kept."
        " Pack the folder desa/ anew, as zip or tar.gz, then try again.",
        reason=reason,
    )
