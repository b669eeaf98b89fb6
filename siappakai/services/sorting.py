"""Lists in the order that is asked for: a column's name, with a minus for the other way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from siappakai.errors import InvalidInputError
from siappakai.wording import say

T = TypeVar("T")


def column_of(sort: str, columns: Collection[str]) -> tuple[str, bool]:
    """Return the column to sort by and whether downwards; raises InvalidInputError (`sort`)."""
    column = sort.removeprefix("-")
    if column not in columns:
        raise InvalidInputError(
            say("Urutan “%(sort)s” tidak dikenal.", sort=sort[:20]),
            say("Pilih %(choices)s.", choices=", ".join(columns)),
            field="sort",
        )
    return column, sort.startswith("-")


def in_order(items: Iterable[T], sort: str, keys: Mapping[str, Callable[[T], Any]]) -> list[T]:
    """Return a short list sorted; what has no value (None) comes last either way.

    Equal ones stay as they came. Raises InvalidInputError (`sort`).
    """
    column, downwards = column_of(sort, keys)
    key = keys[column]
    valued: list[T] = []
    bare: list[T] = []
    for item in items:
        (bare if key(item) is None else valued).append(item)
    return sorted(valued, key=key, reverse=downwards) + bare
