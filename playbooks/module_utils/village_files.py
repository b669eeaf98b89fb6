"""The folder `desa/` of a village out of an archive that strangers made.

Folders and plain files alone, with our own modes and owners. What a server could execute is left
out and named: programs by their names, and what says in its first bytes that it is one.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from .bundles import Member, members, refused
from .outcome import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .account import Account

_KEY = "app_key"
_LARGEST_KEY = 1024
_PIECE = 1 << 20
_HEAD = 4096
_NAMED = 20
# Written anew by root, read apart, or made again by the application.
_NOT_TAKEN = frozenset({"config", "app_key", "cache"})
# PHP's own endings count anywhere in a name, as some servers take them so.
_PROGRAM = re.compile(
    r"\.(?:php\d?|phtml|phps|pht|phar)(?:\.|\Z)|\.(?:inc|cgi|fcgi|pl|py|rb|lua|sh|bash|bat|cmd|com"
    r"|exe|dll|so|jar|jsp|asp|aspx|shtml)\Z",
    re.IGNORECASE,
)
_STARTS_PROGRAM = re.compile(rb"\s*(?:#!|\x7fELF|MZ|<\?php|<%)")
_PHP = re.compile(rb"<\?php\b", re.IGNORECASE)
_SQL = re.compile(r"\.sql(?:\.gz)?\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """What a village's files may take."""

    files: int = 500_000
    size: int = 200 << 30


@dataclass
class Files:
    """What an archive holds: of the village, and of what is left out."""

    files: int = 0
    size: int = 0
    left_out: int = 0
    examples: list[str] = field(default_factory=list)

    def leave_out(self, path: PurePosixPath) -> None:
        """Count something that is not taken over; remember the first of them."""
        self.left_out += 1
        if len(self.examples) < _NAMED:
            self.examples.append(str(path))

    def as_dict(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "size": self.size,
            "left_out": self.left_out,
            "examples": self.examples,
        }


@dataclass(frozen=True)
class Plan:
    """Where in an archive things lie: `root` is the village's folder, `sql` its dumps."""

    root: PurePosixPath
    app_key: str
    sql: tuple[PurePosixPath, ...]


def plan(archive: Path, account: Account) -> Plan:
    """Find the village's folder, which is where `app_key` lies, and what dumps lie beside it.

    Raises Refusal `files_refused` when there is none, or more than one.
    """
    keys: dict[PurePosixPath, str] = {}
    dumps: list[PurePosixPath] = []
    with members(archive, account) as found:
        for member in found:
            if member.kind == "file" and member.path.name == _KEY:
                with member.open() as content:
                    keys[member.path.parent] = _key(content)
            elif member.kind == "file" and _SQL.search(member.path.name):
                dumps.append(member.path)
    keys = {root: key for root, key in keys.items() if root.name == "desa"} or keys
    if len(keys) != 1:
        what = "more than one app_key" if keys else "no app_key, so it is no folder desa/"
        raise refused(f"it holds {what}")
    ((root, key),) = keys.items()
    return Plan(root, key, tuple(path for path in dumps if not path.is_relative_to(root)))


def _key(content: IO[bytes]) -> str:
    return content.read(_LARGEST_KEY).decode(errors="replace").strip()


def survey(archive: Path, account: Account, root: PurePosixPath, limits: Limits) -> Files:
    """Read the whole archive and tell what `unpack` would write."""
    told = Files()
    with members(archive, account) as found:
        for _, content in _wanted(found, root, told):
            for _ in _counted(content, told, limits):
                continue
    return told


@dataclass(frozen=True)
class Place:
    """A folder that nobody else can enter while it is filled, and who it will belong to."""

    top: Path
    owner: int
    group: int

    def folder(self, path: PurePosixPath) -> None:
        """Make a folder and those above it, inside the top."""
        for level in [*reversed(path.parents), path][1:]:
            folder = self.top / level
            if not folder.is_dir():
                folder.mkdir(mode=0o700)
                os.chown(folder, self.owner, self.group)
                folder.chmod(0o2775)

    def file(self, path: PurePosixPath, content: Iterator[bytes]) -> None:
        """Write a new file; of two with one name the later one counts, as with unpackers."""
        target = self.top / path
        with target.open("wb") as file:
            for piece in content:
                file.write(piece)
        os.chown(target, self.owner, self.group)
        target.chmod(0o644)


def unpack(
    archive: Path, account: Account, root: PurePosixPath, limits: Limits, place: Place
) -> Files:
    """Write the village's folders and files; raises as `survey` does."""
    told = Files()
    with members(archive, account) as found:
        for path, content in _wanted(found, root, told):
            if content is None:
                place.folder(path)
            else:
                place.folder(path.parent)
                place.file(path, _counted(content, told, limits))
    return told


def _wanted(
    found: Iterator[Member], root: PurePosixPath, told: Files
) -> Iterator[tuple[PurePosixPath, _Content | None]]:
    """Yield what is taken over, named below the village's folder; a folder has no content."""
    for member in found:
        if not member.path.is_relative_to(root) or member.path == root:
            continue
        path = member.path.relative_to(root)
        if path.parts[0] in _NOT_TAKEN:
            continue
        if member.kind == "other" or not _is_harmless(path):
            told.leave_out(path)
        elif member.kind == "folder":
            yield path, None
        else:
            yield from _unless_program(path, member, told)


def _unless_program(
    path: PurePosixPath, member: Member, told: Files
) -> Iterator[tuple[PurePosixPath, _Content]]:
    with member.open() as content:
        begin = content.read(_PIECE)
        if _STARTS_PROGRAM.match(begin) or _PHP.search(begin[:_HEAD]):
            told.leave_out(path)
        else:
            told.files += 1
            yield path, _Content(begin, content)


def _is_harmless(path: PurePosixPath) -> bool:
    is_hidden = any(part.startswith(".") for part in path.parts)
    return not is_hidden and _PROGRAM.search(path.name) is None


@dataclass(frozen=True)
class _Content:
    """A content whose beginning has been read already."""

    begin: bytes
    rest: IO[bytes]


def _counted(content: _Content | None, told: Files, limits: Limits) -> Iterator[bytes]:
    piece = content.begin if content else b""
    while content and piece:
        told.size += len(piece)
        if told.size > limits.size or told.files > limits.files:
            raise Refusal(
                "files_too_large",
                f"The archive holds more than {limits.files} files or {limits.size} bytes."
                " Nothing of it was kept. Check where it comes from.",
                files=limits.files,
                size=limits.size,
            )
        yield piece
        piece = content.rest.read(_PIECE)
