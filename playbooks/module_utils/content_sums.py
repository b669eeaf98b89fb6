"""Rows and content of each table, read from a dump while it passes by; and of files alike.

What is counted is what was dumped, whoever writes meanwhile. The hash of a table is the sum of
the hashes of its rows, so that the order in which a server gives them does not matter.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TABLE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?`((?:[^`]|``)+)` \(")
_INSERT = re.compile(rb"INSERT INTO `((?:[^`]|``)+)`(?: \([^)]*\))? VALUES$")
_MODULUS = 1 << 256


class TableSum(TypedDict):
    """The rows of a table, and the hash of its content."""

    rows: int
    hash: str


@dataclass
class _Sum:
    rows: int = 0
    total: int = 0


class DumpSums:
    """Adds up a dump by mariadb-dump, which writes each row on a line of its own."""

    def __init__(self) -> None:
        self._tables: dict[str, _Sum] = {}
        self._inserting: _Sum | None = None
        self._line = bytearray()

    def read(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass a dump on, in pieces of whole lines or parts of them, and add it up."""
        for piece in pieces:
            self._take(piece)
            yield piece

    def tables(self) -> dict[str, TableSum]:
        """Return what was found, by table."""
        return {
            name: {"rows": found.rows, "hash": f"{found.total % _MODULUS:064x}"}
            for name, found in sorted(self._tables.items())
        }

    def _take(self, piece: bytes) -> None:
        is_end = piece.endswith(b"\n")
        if self._line or not is_end:
            self._line += piece
            if not is_end:
                return
            piece = bytes(self._line)
            self._line.clear()
        if self._inserting is None:
            self._begin(piece[:-1])
        else:
            self._add(self._inserting, piece)

    def _begin(self, line: bytes) -> None:
        if found := _TABLE.match(line):
            self._tables.setdefault(_name(found[1]), _Sum())
        elif found := _INSERT.match(line):
            self._inserting = self._tables.setdefault(_name(found[1]), _Sum())

    def _add(self, table: _Sum, line: bytes) -> None:
        """Add a row; its line ends with a comma, the last one of a table with a semicolon."""
        table.rows += 1
        table.total += int.from_bytes(hashlib.sha256(line[:-2]).digest())
        if line.endswith(b";\n"):
            self._inserting = None


class FileSums:
    """Adds up files the same way: the sum of the hashes of name and content."""

    def __init__(self) -> None:
        self.count = 0
        self.bytes = 0
        self._total = 0

    def add(self, name: str, size: int, content: bytes) -> None:
        """Add one file by its name, size and the SHA-256 of what is in it."""
        named = name.encode(errors="surrogateescape") + b"\0" + content
        self.count += 1
        self.bytes += size
        digest = hashlib.sha256(named).digest()
        self._total = (self._total + int.from_bytes(digest)) % _MODULUS

    def figures(self) -> dict[str, int | str]:
        """Return what a manifest says of the files."""
        return {"count": self.count, "bytes": self.bytes, "hash": f"{self._total:064x}"}


def _name(quoted: bytes) -> str:
    return quoted.replace(b"``", b"`").decode(errors="replace")
