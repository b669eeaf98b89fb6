"""Dumps without definers: whoever loads one owns what is in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = 1 << 16
_ROW = ord("(")
_QUOTED = rb"(?:`(?:[^`]|``)*`|'[^']*'|\"[^\"]*\"|[\w%.-]+)"
_DEFINER = re.compile(rb"DEFINER\s*=\s*" + _QUOTED + rb"@" + _QUOTED + rb"\s*", re.IGNORECASE)
_SECURITY = re.compile(rb"SQL\s+SECURITY\s+DEFINER", re.IGNORECASE)
# Only at the beginning of a line, where dumps write it: a row's text may speak of definers too.
_DECLARES = re.compile(
    rb"\s*(?:/\*[!M0-9]*\s*)?(?:CREATE\b|ALTER\b|DEFINER\b|SQL\s+SECURITY\b)", re.IGNORECASE
)


class Lines(Protocol):
    """What is read line by line, such as an open file."""

    def readline(self, size: int, /) -> bytes:
        """Return the next line, or the next `size` bytes of it; nothing at the end."""


def portable(dump: Lines, met: set[bytes] | None = None) -> Iterator[bytes]:
    """Yield a dump in pieces, its views and programs without definers and with invoker's rights.

    The definers that were taken off are added to `met`.
    """
    starts_line = True
    while piece := dump.readline(_PIECE):
        # Nearly all lines are rows; those are told by one look.
        if starts_line and piece[0] != _ROW and _DECLARES.match(piece):
            if met is not None:
                met |= set(_DEFINER.findall(piece))
            piece = _SECURITY.sub(b"SQL SECURITY INVOKER", _DEFINER.sub(b"", piece, 1))
        starts_line = piece.endswith(b"\n")
        yield piece
