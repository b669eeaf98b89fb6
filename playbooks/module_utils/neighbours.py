"""The rows of other villages: a merge may touch none, which the server itself counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .reconciling import Difference, refuse

if TYPE_CHECKING:
    from .driver import Link
    from .relations import Scope


def count_own(link: Link, scope: Scope, tables: Sequence[str]) -> int:
    """Count what the village has there before it is replaced."""
    counts = [
        f"(SELECT COUNT(*) FROM {scope.name(one)} t WHERE {scope.where(one)})" for one in tables
    ]
    with link.cursor() as cursor:
        cursor.execute(f"SELECT {' + '.join(counts) or 0}")
        return int((cursor.fetchone() or (0,))[0])


def touched_rows(link: Link) -> dict[str, int]:
    """Return how many rows this connection has deleted, written and changed, of any table."""
    with link.cursor() as cursor:
        cursor.execute(
            "SHOW SESSION STATUS WHERE Variable_name IN"
            " ('Handler_delete', 'Handler_write', 'Handler_update')"
        )
        return {str(name): int(count) for name, count in cursor.fetchall()}


def refuse_others(before: Mapping[str, int], after: Mapping[str, int], own: int, rows: int) -> None:
    """Refuse when more rows were touched than the village's own: they are somebody else's.

    It is the server that counts, whatever the statements were meant to do.
    """
    expected = {"Handler_delete": own, "Handler_write": rows, "Handler_update": 0}
    refuse(
        [
            Difference("gabungan", f"{name} of rows", count, after[name] - before[name])
            for name, count in expected.items()
            if after[name] - before[name] != count
        ]
    )
