"""A village's rows as SQL: which they are, and what they become in another database."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .references import CONFIG
from .schemas import quoted

if TYPE_CHECKING:
    from .consents import Consent
    from .references import Reference, ReferenceMap
    from .schemas import Table

_NUMBER = "^[1-9][0-9]{0,9}$"
_TEXT = re.compile(r"(?:var)?char\b|(?:tiny|medium|long)?text\b|enum\b|set\b")
_NUMERIC = re.compile(r"(?:tiny|small|medium|big)?int\b|decimal|double|float|bit|year|time")
# Stands before what a mask must leave alone.
KEEP = "\x01"


@dataclass(frozen=True)
class Scope:
    """The rows of one village in one database.

    `tables` are those it has; `gone` those of which nothing counts, `dropped` by table the keys
    of rows that do not, `only` a condition on those that do (its `{t}` is the row). Ids of its
    rows lie above `low` and below `high`, among those of other villages where it `is_mixed`.
    """

    database: str
    config_id: int
    tables: Mapping[str, Table]
    references: ReferenceMap
    gone: frozenset[str] = frozenset()
    dropped: Mapping[str, Sequence[int]] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)
    low: int = 0
    high: int = 1 << 62
    is_mixed: bool = False

    def name(self, table: str) -> str:
        """Return a table's full name."""
        return f"{quoted(self.database)}.{quoted(table)}"

    def where(self, table: str, alias: str = "t") -> str:
        """Return the condition that a row of `table` is the village's and counts."""
        if table in self.gone:
            return "FALSE"
        parts = [self.owned(table, alias)]
        if dropped := self.dropped.get(table):
            key = quoted(self.references.key_of(table))
            parts.append(f"{alias}.{key} NOT IN ({', '.join(map(str, dropped))})")
        if table in self.only:
            parts.append(self.only[table].replace("{t}", alias))
        return " AND ".join(parts)

    def owned(self, table: str, alias: str = "t") -> str:
        """Return the condition that a row is the village's, whether or not it counts."""
        way = self.references.by_parent.get(table)
        if way is None or "config_id" in self.tables[table].columns:
            return f"{alias}.config_id = {self.config_id}"
        column, parent = way
        if parent not in self.tables:
            return "FALSE"
        key = quoted(self.references.key_of(parent))
        return (
            f"EXISTS (SELECT 1 FROM {self.name(parent)} o WHERE o.{key} = {alias}.{quoted(column)}"
            f" AND o.config_id = {self.config_id})"
        )

    def selector(self, reference: Reference, alias: str = "t") -> str:
        """Return the value that decides what a polymorphic column refers to."""
        way, joins = reference.by, ""
        first = f"{self.name(way[1])} s1"
        for number in range(2, len(way) - 1, 2):
            step, key = number // 2 + 1, quoted(self.references.key_of(way[number + 1]))
            joins += (
                f" JOIN {self.name(way[number + 1])} s{step}"
                f" ON s{step}.{key} = s{step - 1}.{quoted(way[number])}"
            )
        last, key = len(way) // 2, quoted(self.references.key_of(way[1]))
        return (
            f"(SELECT s{last}.{quoted(way[-1])} FROM {first}{joins}"
            f" WHERE s1.{key} = {alias}.{quoted(way[0])})"
        )

    def holds(self, value: str) -> str:
        """Return the condition that a value can be the id of a row of the village."""
        return f"({value} > {self.low} AND {value} < {self.high})"

    def has_way(self, reference: Reference) -> bool:
        """Whether the tables a polymorphic column asks are there."""
        return all(table in self.tables for table in reference.by[1::2])


@dataclass(frozen=True)
class Passage:
    """How a village's rows become those of another database.

    `becomes` is its config_id there, `shift` what is added to every id; `wanted` are the tables
    there, `consent` what may pass.
    """

    scope: Scope
    becomes: int
    shift: int
    wanted: Mapping[str, Table]
    consent: Consent

    def columns(self, table: str) -> list[str]:
        """Return the columns both sides have, in the order of the target."""
        there, here = self.wanted[table].columns, self.scope.tables[table].columns
        return [name for name in there if name in here]

    def select(self, table: str) -> str:
        """Return the query that reads a table's rows as they shall stand in the target."""
        parts = [f"{self._becomes(table, name)} AS {quoted(name)}" for name in self.columns(table)]
        order = ", ".join(f"t.{quoted(name)}" for name in self.wanted[table].primary) or "1"
        return (
            f"SELECT {', '.join(parts)} FROM {self.scope.name(table)} t"
            f" WHERE {self.scope.where(table)} ORDER BY {order}"
        )

    def _becomes(self, table: str, name: str) -> str:
        column = f"t.{quoted(name)}"
        if name == "config_id":
            return str(self.becomes)
        value = self._value(table, name, column)
        kind, target = self.scope.tables[table].columns[name], self.wanted[table].columns[name]
        if "blob" in kind.type:
            value = f"HEX({value})"
        if _TEXT.match(kind.type) and not _TEXT.match(target.type):
            value = f"IF(TRIM({value}) = '', {self.nothing(table, name)}, {value})"
        if kind.nullable and not target.nullable:
            return f"COALESCE({value}, {_empty(target.type)})"
        return value

    def _value(self, table: str, name: str, column: str) -> str:
        facts = self.scope.references
        if name in facts.secrets.get(table, ()):
            return self.nothing(table, name)
        if table == "setting_aplikasi" and name == "value":
            return f"IF(t.`key` REGEXP '{facts.secret_settings}', '', {column})"
        for one in facts.references.get(table, ()):
            if one.column == name:
                return self._reference(table, one, column)
        if name == facts.key_of(table) and name in self.wanted[table].primary:
            return self._moved(column, column)
        return self._masked(table, name, column)

    def _masked(self, table: str, name: str, column: str) -> str:
        mask = self.consent.masks(table).get(name)
        if mask == "blank":
            return self.nothing(table, name)
        if mask == "year":
            first = f"IF(YEAR({column}) > 0, MAKEDATE(YEAR({column}), 1), '0000-00-00')"
            return f"IF({column} IS NULL, NULL, {first})"
        return column

    def nothing(self, table: str, name: str) -> str:
        """Return what stands for a value that is not there."""
        column = self.wanted[table].columns[name]
        return "NULL" if column.nullable else _empty(column.type)

    def _reference(self, table: str, one: Reference, column: str) -> str:
        if one.by:
            return self._polymorphic(table, one, column)
        if set(one.targets.values()) <= self.scope.gone:
            return self.nothing(table, one.column)
        (target,) = one.targets.values()
        if one.kind == "text":
            if self.consent.masks(table).get(one.column) == "blank":
                return self.nothing(table, one.column)
            return self._moved_text(column, self.nothing(table, one.column), target)
        return self._moved(column, self.nothing(table, one.column), target)

    def _moved(self, column: str, beyond: str, target: str = "") -> str:
        """Move an id. No row has one beyond the village's place: moved, it would be another's."""
        is_own = self._is_own(column, target)
        return f"IF({column} > 0, IF({is_own}, {column} + {self.shift}, {beyond}), {column})"

    def _is_own(self, number: str, target: str) -> str:
        """Return the condition that an id is of the village's own row of `target`."""
        held = self.scope.holds(number)
        if not self.scope.is_mixed or target not in self.scope.tables:
            return held
        key = quoted(self.scope.references.key_of(target))
        own = self.scope.where(target, "f")
        return (
            f"{held} AND EXISTS (SELECT 1 FROM {self.scope.name(target)} f"
            f" WHERE f.{key} = {number} AND {own})"
        )

    def _moved_text(self, column: str, beyond: str, target: str) -> str:
        number = f"CAST({column} AS SIGNED)"
        moved = f"CAST({number} + {self.shift} AS CHAR)"
        moved = f"IF({self._is_own(number, target)}, {moved}, {beyond})"
        return f"IF({column} REGEXP '{_NUMBER}', {moved}, {column})"

    def _polymorphic(self, table: str, one: Reference, column: str) -> str:
        nothing = self.nothing(table, one.column)
        if not self.scope.has_way(one):
            return nothing
        text = "char" in self.wanted[table].columns[one.column].type
        keep = f"'{KEEP}'" if one.column in self.consent.masks(table) else ""
        cases = ""
        for case, target in one.targets.items():
            if target in self.scope.gone:
                value = nothing
            elif target == CONFIG:
                value = f"IF({column} = {self.scope.config_id}, {self.becomes}, {nothing})"
            else:
                move = self._moved_text if text else self._moved
                value = move(column, nothing, target)
                if keep:  # what is no id is masked as whatever else stands there
                    value = f"IF({column} REGEXP '{_NUMBER}', CONCAT({keep}, {value}), {column})"
            cases += f" WHEN '{case}' THEN {value}"
        return f"CASE {self.scope.selector(one)}{cases} ELSE {column} END"


def _empty(kind: str) -> str:
    """Return what stands for nothing in a column that must hold something."""
    if kind.startswith(("datetime", "timestamp")):
        return "'0000-00-00 00:00:00'"
    if kind.startswith("date"):
        return "'0000-00-00'"
    return "0" if _NUMERIC.match(kind) else "''"


def without_lost(scope: Scope, consent: Consent, wanted: Mapping[str, Table]) -> dict[str, str]:
    """Return by table which rows pass: those about a person who is withheld do not."""
    conditions: dict[str, str] = {}
    for table in scope.tables:
        for one in scope.references.references.get(table, ()):
            lost = [case for case, target in one.targets.items() if target in scope.gone]
            needed = bool(one.by and lost) and consent.is_needed(wanted[table], one)
            if needed and table not in scope.gone and scope.has_way(one):
                cases = ", ".join(f"'{case}'" for case in lost)
                way = scope.selector(one, "{t}")
                conditions[table] = f"COALESCE({way}, '') NOT IN ({cases})"
    return conditions
