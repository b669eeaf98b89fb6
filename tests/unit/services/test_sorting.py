"""The order of short lists."""

from __future__ import annotations

import pytest

from siappakai.errors import InvalidInputError
from siappakai.services.sorting import column_of, in_order

KEYS = {"size": lambda pair: pair[1], "name": lambda pair: pair[0]}
ITEMS = [("c", 2), ("a", None), ("b", 1), ("d", 2)]


@pytest.mark.parametrize(
    ("sort", "names"), [("size", "bcda"), ("-size", "cdba"), ("name", "abcd"), ("-name", "dcba")]
)
def test_items_without_a_value_come_last_and_equal_ones_stay(sort: str, names: str) -> None:
    assert "".join(name for name, _ in in_order(ITEMS, sort, KEYS)) == names


def test_an_unknown_column_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidInputError) as caught:
        column_of("-weight", KEYS)
    assert caught.value.field == "sort"
    assert "size, name" in str(caught.value.todo)
