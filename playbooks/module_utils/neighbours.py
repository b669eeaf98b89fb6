"""The rows of other villages: a merge may touch none, which the server itself counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .manifests import SLOT_SIZE
from .reconciling import Difference, refuse
from .schemas import quoted

if TYPE_CHECKING:
    from .book import Entry
    from .driver import Link
    from .relations import Scope


def count_own(link: Link, scope: Scope, tables: Sequence[str], entry: Entry) -> int:
    """Count what the village has there before it is replaced."""
    counts = [
        f"(SELECT COUNT(*) FROM {scope.name(one)} t WHERE {_own(scope, one, entry)})"
        for one in tables
    ]
    with link.cursor() as cursor:
        cursor.execute(f"SELECT {' + '.join(counts) or 0}")
        return int((cursor.fetchone() or (0,))[0])


def _own(scope: Scope, table: str, entry: Entry) -> str:
    """Return the condition that a row is the village's, or lies where it was and is nobody's."""
    if table not in scope.references.by_parent:
        return scope.where(table)
    column = f"t.{quoted(scope.references.by_parent[table][0])}"
    return f"{column} > {entry.shift} AND {column} <= {entry.shift + entry.slots * SLOT_SIZE}"


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
