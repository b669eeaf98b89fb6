"""Reading a backup that we took ourselves, once it is opened: the tar that `backup_take` wrote.

Who proves, who restores and who looks read it here alike, so that what was proven can be restored.
It is compared with the manifest the panel remembers; until then nothing of it is used.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Protocol

from .backup_files import FOLDER
from .backup_take import DATABASE, MANIFEST
from .content_sums import FileSums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_PIECE = 1 << 18
_MANIFEST_BYTES = 16 << 20
_KEY = f"{FOLDER}/desa/app_key"
_NAMED = 20
_LONGEST_NAME = 255


class Files(Protocol):
    """Who is given the files of a backup, by their paths below the site's folder."""

    def folder(self, path: PurePosixPath) -> None:
        """Take a folder."""

    def file(self, path: PurePosixPath, content: Iterator[bytes], changed_at: int) -> None:
        """Take a file; `changed_at` is its time in seconds since 1970."""


@dataclass
class Contents:
    """What was read. `left_out` counts what cannot be laid down safely, `examples` names some."""

    manifest: dict[str, Any] = field(default_factory=dict)
    files: FileSums = field(default_factory=FileSums)
    app_key: str = ""
    left_out: int = 0
    examples: list[str] = field(default_factory=list)

    def leave_out(self, name: str) -> None:
        """Count something that is not laid down; remember the first of them, printable."""
        self.left_out += 1
        if len(self.examples) < _NAMED:
            self.examples.append(ascii(name)[1:-1][:200])


def read(
    plain: IO[bytes],
    *,
    database: Callable[[Iterable[bytes]], None] | None = None,
    files: Files | None = None,
) -> Contents:
    """Read a backup to its end: its SQL goes to `database`, its files to `files`.

    What a file system could take for a place elsewhere is left out, not refused: the rest of the
    village shall come back all the same. Raises tarfile.TarError, or what the takers raise.
    """
    found = Contents()
    with tarfile.open(fileobj=plain, mode="r|", bufsize=_PIECE) as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isreg() else None
            if entry.name == DATABASE and content is not None:
                if database is not None:
                    database(_pieces(content))
            elif entry.name == MANIFEST and content is not None:
                found.manifest = json.loads(content.read(_MANIFEST_BYTES))
            elif entry.name.startswith(f"{FOLDER}/"):
                _take(entry, content, files, found)
    return found


def _take(
    entry: tarfile.TarInfo, content: IO[bytes] | None, files: Files | None, found: Contents
) -> None:
    path = PurePosixPath(entry.name).relative_to(FOLDER)
    is_safe = _is_inside(path) and (entry.isdir() or content is not None)
    if not is_safe:
        found.leave_out(entry.name)
    elif files is not None and content is None:
        files.folder(path)
    if content is None:
        return
    reading = _Reading(content, keeps=entry.name == _KEY)
    if is_safe and files is not None:
        files.file(path, reading.pieces(), int(entry.mtime))
    for _ in reading.pieces():
        continue
    found.files.add(entry.name, entry.size, reading.digest.digest())
    if entry.name == _KEY:
        found.app_key = reading.kept.decode(errors="replace").strip()


def _is_inside(path: PurePosixPath) -> bool:
    return not path.is_absolute() and all(
        part != ".."
        and "\0" not in part
        and len(part.encode(errors="surrogateescape")) <= _LONGEST_NAME
        for part in path.parts
    )


class _Reading:
    """A file on its way, hashed; small ones may be kept."""

    def __init__(self, content: IO[bytes], *, keeps: bool) -> None:
        self.content = content
        self.keeps = keeps
        self.kept = b""
        self.digest = hashlib.sha256()

    def pieces(self) -> Iterator[bytes]:
        for piece in _pieces(self.content):
            self.digest.update(piece)
            if self.keeps:
                self.kept += piece
            yield piece


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(_PIECE):
        yield piece
