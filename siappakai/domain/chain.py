"""The audit trail as a chain: each entry's hash covers the one before.

So none can be changed, removed or moved without all that follow telling.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple


class Link(NamedTuple):
    """One entry as it is stored. `number` counts from 1 without gaps."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Break:
    """The first entry that is not what was written; `is_missing` when it is gone."""

    number: int
    is_missing: bool


def link_hash(previous: str, link: Link) -> str:
    """Return the hash of `link` after an entry whose hash is `previous`, empty for the first."""
    fields = link._asdict() | {"at": link.at.isoformat(), "previous": previous}
    del fields["hash"]
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def first_break(
    links: Iterable[Link], *, after: Link | None, length: int, end: str
) -> Break | None:
    """Return where a chain of `length` entries ending in the hash `end` is first broken, or None.

    `links` are the stored entries behind `after` (None: all of them) in order of their numbers.
    """
    number, previous = (after.number, after.hash) if after is not None else (0, "")
    for link in links:
        number += 1
        if link.number != number:
            return Break(number, is_missing=True)
        if link.hash != link_hash(previous, link):
            return Break(number, is_missing=False)
        previous = link.hash
    if number < length:
        return Break(number + 1, is_missing=True)
    return None if previous == end else Break(number, is_missing=False)
