"""The SQL file of a village as its admins bring it: plain, packed, or beside its folder."""

from __future__ import annotations

import gzip
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from .bundles import members
from .definers import portable
from .outcome import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .account import Account
    from .definers import Lines

_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
_EDGE = 4096
# What each program writes first and, when it came to its end, last.
_ENDS = (
    ((b"-- MySQL dump", b"-- MariaDB dump"), (b"-- Dump completed",)),
    ((b"phpMyAdmin SQL Dump",), (b"COMMIT;", b"CHARACTER_SET_CLIENT=@OLD")),
)


def sql_of(
    path: Path, account: Account, met: set[bytes], *, member: PurePosixPath | None = None
) -> Iterator[bytes]:
    """Yield the SQL in a .sql, .sql.gz or zip, without definers; those go into `met`.

    `member` names it inside an archive. Raises Refusal `dump_refused` for a file without SQL or
    with more than one, or one that was cut off, at the end of it.
    """
    with _opened(path, account, member) as lines:
        head = tail = b""
        for piece in portable(lines, met):
            if len(head) < _EDGE:
                head += piece
            tail = (tail + piece)[-_EDGE:]
            yield piece
    _require_end(head, tail)


def _require_end(head: bytes, tail: bytes) -> None:
    if not head.strip():
        raise _unusable("it is empty")
    for begins, ends in _ENDS:
        if any(begin in head for begin in begins) and not any(end in tail for end in ends):
            raise _unusable("it is cut off: the end that its program writes is missing")


@contextmanager
def _opened(path: Path, account: Account, member: PurePosixPath | None) -> Iterator[Lines]:
    with path.open("rb") as file:
        begin = file.read(4)
        file.seek(0)
        if begin.startswith(_GZIP) and member is None:
            with gzip.open(file) as plain:
                yield plain
        elif begin == _ZIP or member is not None:
            with _in_archive(path, account, member) as plain:
                yield plain
        else:
            yield file


@contextmanager
def _in_archive(path: Path, account: Account, wanted: PurePosixPath | None) -> Iterator[Lines]:
    count = 0
    with members(path, account) as found:
        for member in found:
            is_wanted = member.path == wanted if wanted else ".sql" in member.path.name.lower()
            if member.kind != "file" or not is_wanted:
                continue
            count += 1
            if count > 1:
                raise _unusable("the archive holds more than one SQL file")
            with member.open() as content:
                if member.path.suffix.lower() == ".gz":
                    with gzip.open(content) as plain:
                        yield plain
                else:
                    yield content
    if not count:
        raise _unusable("the archive holds no SQL file")


def _unusable(reason: str) -> Refusal:
    return Refusal(
        "dump_refused",
        f"The SQL file cannot be used: {reason}. Export the database anew, then try again.",
        reason=reason,
    )
