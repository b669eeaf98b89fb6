"""What a village shares of its data, and what that does to its rows and columns."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .references import Reference, ReferenceMap
    from .schemas import Table

FULL, MASKED, WITHHELD = "full", "masked", "withheld"
_ALWAYS = "acuan"
_RESIDENTS = "tweb_penduduk"
# No province has the code 99, so no NIK and no number of a family begins with it.
_NUMBER = "99{:014d}"
_NAME = "Warga {}"
_NUMBER_LENGTH = 16
# How SQL knows a pseudonym from a number or name of somebody.
NUMBER_PATTERN, NAME_PATTERN = "^99[0-9]{14}$", "^Warga [0-9a-f]{10}$"
# What tells nothing of anybody, and stays: no name; of numbers also zeros. SQL and Python read
# it alike.
NO_NAME, NO_NUMBER = "^[ \\t\\r\\n]*$", "^(0*|[ \\t\\r\\n]*)$"


@dataclass(frozen=True)
class Consent:
    """What is shared, by data group; a group that is not named is not shared."""

    shares: Mapping[str, str]
    references: ReferenceMap

    def of(self, table: str) -> str:
        """Return full, masked or withheld for a table."""
        group = self.references.group_of(table)
        return FULL if group == _ALWAYS else self.shares.get(group, WITHHELD)

    def masks(self, table: str) -> Mapping[str, str]:
        """Return how the columns of a table are masked; empty when they are not.

        What other groups say of residents by name or number is masked wherever residents are
        not shared openly: a recipient of aid would tell who the pseudonym beside it is.
        """
        is_open = self.of(table) == self.of(_RESIDENTS) == FULL
        return {} if is_open else self.references.personal.get(table, {})

    def withheld(self, tables: Mapping[str, Table]) -> frozenset[str]:
        """Return the tables of which nothing is sent, with all that makes no sense without.

        Tables that the reference map does not know are among them, whatever is shared.
        """
        gone = {
            name
            for name, table in tables.items()
            if self.of(name) == WITHHELD or not self.references.is_known(table)
        }
        while more := {
            name for name in tables if name not in gone and self._needs(tables, name, gone)
        }:
            gone |= more
        return frozenset(gone)

    def _needs(self, tables: Mapping[str, Table], name: str, gone: set[str]) -> bool:
        return any(
            set(one.targets.values()) <= gone and self.is_needed(tables[name], one)
            for one in self.references.references.get(name, ())
        )

    def is_needed(self, table: Table, reference: Reference) -> bool:
        """Whether rows of a table make no sense without what a column of them refers to."""
        if reference.column in self.references.with_parent.get(table.name, ()):
            return True
        column = table.columns.get(reference.column)
        return reference.kind == "declared" and column is not None and not column.nullable


class Pseudonyms:
    """Keyed pseudonyms: the same for the same value, so that they still join.

    Nobody without the key can try all NIKs; with it, who is who can be found again.
    """

    def __init__(self, key: str) -> None:
        self._key = bytes.fromhex(key)
        self._known: dict[tuple[str, str], str] = {}

    def mask(self, kind: str, value: str) -> str:
        """Return the pseudonym of a value, `kind` being number or name; nothing stays nothing."""
        if re.fullmatch(NO_NUMBER if kind == "number" else NO_NAME, value):
            return value
        found = self._known.get((kind, value))
        if found is None:
            found = self._known[kind, value] = self._make(kind, value)
        return found

    def _make(self, kind: str, value: str) -> str:
        # Spaces at the end make no difference to MariaDB: others would join, or collide, anew.
        told = value.rstrip(" ")
        digest = hmac.new(self._key, f"{kind}:{told}".encode(), hashlib.sha256)
        if kind == "number":
            return _NUMBER.format(int.from_bytes(digest.digest()[:8]) % 10**14)
        return _NAME.format(digest.hexdigest()[:10])


def is_pseudonym(kind: str, value: str) -> bool:
    """Whether a value is what `mask` makes."""
    pattern = NUMBER_PATTERN if kind == "number" else NAME_PATTERN
    return re.fullmatch(pattern, value) is not None
