"""What the rows say that are the same for the whole regency, where villages differ about it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from .schemas import quoted, read_schema

if TYPE_CHECKING:
    from .driver import Link
    from .schemas import Table

# By table and id.
Labels = dict[str, dict[int, str]]

# Far more than OpenSID has in any of them.
_MOST_ROWS = 5_000
# Below this two texts are not the same words written otherwise.
_ALIKE = 0.7
_TOLD = 5


def read_labels(link: Link, database: str, names: Collection[str]) -> Labels:
    """Return what the rows of some tables are called, by their first column of text."""
    tables = read_schema(link, database, keys=False)
    return {name: _labels(link, database, tables[name]) for name in names if name in tables}


def _labels(link: Link, database: str, table: Table) -> dict[int, str]:
    texts = [name for name, kind in table.columns.items() if re.search("char|text", kind.type)]
    if "id" not in table.columns or not texts:
        return {}
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT id, COALESCE({quoted(texts[0])}, '') FROM {quoted(database)}"
            f".{quoted(table.name)} LIMIT {_MOST_ROWS}"
        )
        return {int(one): str(label) for one, label in cursor.fetchall() if str(one).isdigit()}


def compare(ours: Mapping[str, Mapping[int, str]], theirs: Labels) -> list[str]:
    """Say where a village's rows are written otherwise, mean something else, or are more."""
    told = []
    for table, labels in sorted(theirs.items()):
        found: dict[str, list[int]] = {}
        for one, label in sorted(labels.items()):
            known = ours.get(table, {}).get(one)
            if kind := "extra" if known is None else _kind(known, label):
                found.setdefault(kind, []).append(one)
        told += [f"{kind}: {table} {_ids(ids)}" for kind, ids in sorted(found.items())]
    return told


def _kind(ours: str, theirs: str) -> str:
    """Return how two labels differ: label or meaning; nothing when they do not."""
    if ours == theirs:
        return ""
    first, second = (re.sub(r"\W+", "", one).casefold() for one in (ours, theirs))
    return "label" if SequenceMatcher(None, first, second).ratio() >= _ALIKE else "meaning"


def _ids(ids: list[int]) -> str:
    more = f" and {len(ids) - _TOLD} more" if len(ids) > _TOLD else ""
    return ", ".join(map(str, ids[:_TOLD])) + more
