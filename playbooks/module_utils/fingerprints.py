"""Fingerprints of a table's rows: how many they are, and a sum over all they hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from .resolving import AT_ONCE
from .schemas import quoted

if TYPE_CHECKING:
    from .driver import Link

Print = tuple[int, str]


def fingerprint(link: Link, name: str, columns: Collection[str], condition: str) -> Print:
    """Return the number of rows and a sum over all they hold; the order does not matter."""
    return fingerprints(link, {"": (name, columns, condition)})[""]


def fingerprints(
    link: Link, asked: Mapping[str, tuple[str, Collection[str], str]]
) -> dict[str, Print]:
    """Return the fingerprints of many tables: name, columns and condition of each by its key."""
    found: dict[str, Print] = {}
    keys = list(asked)
    for first in range(0, len(keys), AT_ONCE):
        some = keys[first : first + AT_ONCE]
        with link.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(_sum(at, *asked[key]) for at, key in enumerate(some)))
            rows = cursor.fetchall()
        found |= {some[int(at)]: (int(count), str(total)) for at, count, total in rows}
    return found


def _sum(at: int, name: str, columns: Collection[str], condition: str) -> str:
    parts = ", ".join(f"COALESCE(t.{quoted(one)}, '\\x1e')" for one in columns)
    return (
        f"SELECT {at}, COUNT(*), COALESCE(SUM(CRC32(CONCAT_WS('\\x1f', {parts}))), 0)"
        f" FROM {name} t WHERE {condition}"
    )
