"""A village's row of `config` in the gabungan: who it is, as the regency writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .reconciling import Difference
from .references import CONFIG
from .schemas import quoted

if TYPE_CHECKING:
    from .driver import Link

Identity = Mapping[str, str | None]
# Numbers of the village's own users, which mean others there.
_OF_USERS = frozenset({"created_by", "updated_by"})


def identity_of(read: Identity, known: Identity, *, app_key: str) -> dict[str, str | None]:
    """Return what its row shall say: what the village wrote, under the names of the regency."""
    told = {name: value for name, value in read.items() if name not in _OF_USERS}
    return {**told, **known, "app_key": app_key}


def write_identity(link: Link, schema: str, config_id: int, told: Identity) -> None:
    """Write the row: never deleted, as everything hangs on it."""
    columns = ", ".join(map(quoted, told))
    places = ", ".join(["%s"] * len(told))
    after = ", ".join(f"{quoted(name)} = VALUES({quoted(name)})" for name in told)
    with link.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quoted(schema)}.{CONFIG} (id, {columns})"
            f" VALUES (%s, {places}) ON DUPLICATE KEY UPDATE {after}",
            (config_id, *told.values()),
        )


def identity_differences(
    link: Link, schema: str, config_id: int, told: Identity
) -> list[Difference]:
    """Return the columns that do not say what was written; what they say is not told."""
    # A date or number may be spelt otherwise, and be the same.
    same = ", ".join(
        f"({quoted(name)} <=> %s OR CAST({quoted(name)} AS CHAR) <=> %s)" for name in told
    )
    values = [value for one in told.values() for value in (one, one)]
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT {same} FROM {quoted(schema)}.{CONFIG} WHERE id = %s", (*values, config_id)
        )
        row = cursor.fetchone() or [0] * len(told)
    return [
        Difference(CONFIG, f"contents of {name}", "as written", "something else")
        for name, is_same in zip(told, row, strict=True)
        if not is_same
    ]
