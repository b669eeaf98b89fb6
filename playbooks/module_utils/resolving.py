"""What a village's references find, counted in its own database and in the merged one alike.

The reconciliation compares both: each must find as many rows, and none may point to where another
village's rows can lie.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .links import ids_in
from .references import CONFIG
from .schemas import quoted

if TYPE_CHECKING:
    from .driver import Link
    from .references import Reference
    from .relations import Scope

Counts = dict[str, list[int]]

# So many tables are asked for in one statement: most are small, and to ask costs more than to look.
AT_ONCE = 30


@dataclass(frozen=True)
class _Asked:
    """One reference as its table's query asks for it; `number` tells its joins apart."""

    scope: Scope
    number: int
    one: Reference
    case: str
    target: str

    @property
    def name(self) -> str:
        """Return what it is called in the counts."""
        case = f"[{self.case}]" if self.case else ""
        return f"{self.one.table}.{self.one.column}>{self.target}{case}"

    @property
    def value(self) -> str:
        """Return the id it refers to, NULL when it refers to none."""
        column = f"t.{quoted(self.one.column)}"
        value = column
        if self.one.is_text:
            value = f"IF({column} REGEXP '^[1-9][0-9]{{0,9}}$', CAST({column} AS SIGNED), NULL)"
        if self.one.by:
            last = f"{self._way(len(self.one.by) // 2)}.{quoted(self.one.by[-1])}"
            return f"IF({last} = '{self.case}', {value}, NULL)"
        return value

    def _way(self, step: int) -> str:
        return f"{self.one.column}_{step}"

    @property
    def way(self) -> str:
        """Return the joins that lead to what decides its target; the same for all its cases."""
        by, joins, before = self.one.by, "", "t"
        for step, place in enumerate(range(1, len(by) - 1, 2), 1):
            key, alias = quoted(self.scope.references.key_of(by[place])), self._way(step)
            joins += (
                f" LEFT JOIN {self.scope.name(by[place])} {alias}"
                f" ON {alias}.{key} = {before}.{quoted(by[place - 1])}"
            )
            before = alias
        return joins

    @property
    def inside(self) -> str:
        """Return the condition that it points into the village's own ids."""
        if self.target == CONFIG:
            return f"{self.value} = {self.scope.config_id}"
        if self.scope.is_mixed:
            # Another village's id looks like one of its own.
            return f"({self.scope.holds(self.value)} AND {self.key} IS NOT NULL)"
        return self.scope.holds(self.value)

    @property
    def beyond(self) -> str:
        """Return the condition that it points to where another village's ids may lie."""
        return f"{self.value} > 0 AND NOT {self.inside}"

    @property
    def is_lost(self) -> bool:
        """Tell whether the table it refers to is missing altogether."""
        return self.target != CONFIG and self.target not in self.scope.tables

    @property
    def key(self) -> str:
        """Return the key of the row it finds; where there is no such table it finds none."""
        if self.is_lost:
            return "NULL"
        key = "id" if self.target == CONFIG else self.scope.references.key_of(self.target)
        return f"p{self.number}.{quoted(key)}"

    @property
    def join(self) -> str:
        """Return the join that finds the row, among the village's own alone."""
        if self.is_lost:
            return ""
        alias = f"p{self.number}"
        owned = f"{self.key} = {self.scope.config_id}"
        owned = owned if self.target == CONFIG else self.scope.where(self.target, alias)
        table = self.scope.name(self.target)
        return f" LEFT JOIN {table} {alias} ON {self.key} = {self.value} AND {owned}"


def _asked(scope: Scope, table: str) -> list[_Asked]:
    pairs = [
        (one, case, target)
        for one in scope.references.references.get(table, ())
        if one.column in scope.tables[table].columns
        for case, target in one.targets.items()
        if not one.by or scope.has_way(one)
    ]
    return [_Asked(scope, number, *pair) for number, pair in enumerate(pairs)]


def reference_counts(link: Link, scope: Scope, tables: Collection[str]) -> Counts:
    """Return per `table.column>target` how many rows refer, how many find, how many stray.

    Those refer whose value can be the id of a row of the village; what they find is counted
    within the village alone. Those stray that point beyond its ids, where another village's rows
    may lie. All references of a table are one query.
    """
    asked = [found for table in tables if (found := _asked(scope, table))]
    counts: Counts = {}
    for first in range(0, len(asked), AT_ONCE):
        some = asked[first : first + AT_ONCE]
        with link.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(_sums(scope, at, one) for at, one in enumerate(some)))
            rows = cursor.fetchall()
        for at, text in rows:
            row = [int(float(one)) for one in str(text).split(",")]
            counts |= {one.name: row[3 * n : 3 * n + 3] for n, one in enumerate(some[int(at)])}
    return {name: found for name, found in counts.items() if any(found)}


def _sums(scope: Scope, at: int, asked: list[_Asked]) -> str:
    """Return the query that counts for all references of a table, in one text."""
    fields = [
        f"COALESCE(SUM({one.inside}), 0), COUNT({one.key}), COALESCE(SUM({one.beyond}), 0)"
        for one in asked
    ]
    # What decides several cases is joined once, before what they find.
    ways = dict.fromkeys(one.way for one in asked)
    joins, table = "".join([*ways, *(one.join for one in asked)]), asked[0].one.table
    return (
        f"SELECT {at}, CONCAT_WS(',', {', '.join(fields)}) FROM {scope.name(table)} t{joins}"
        f" WHERE {scope.where(table)}"
    )


def examples(link: Link, scope: Scope, name: str, most: int) -> tuple[int, ...]:
    """Return keys of rows whose reference, called `name` in the counts, strays or finds nothing.

    The strays come first; none for what is no column of ids.
    """
    table = name.partition(".")[0]
    key = scope.references.key_of(table)
    for one in _asked(scope, table):
        if one.name != name or key not in scope.tables[table].columns:
            continue
        with link.cursor() as cursor:
            cursor.execute(
                f"SELECT t.{quoted(key)} FROM {scope.name(table)} t{one.way}{one.join}"
                f" WHERE {scope.where(table)} AND {one.value} > 0 AND {one.key} IS NULL"
                f" ORDER BY {one.inside}, 1 LIMIT {most}"
            )
            return tuple(int(row[0]) for row in cursor.fetchall() if str(row[0]).isdigit())
    return ()


def embedded_counts(link: Link, scope: Scope, tables: Collection[str]) -> Counts:
    """Return the same of ids that stand in JSON and links, each id once."""
    counts: Counts = {}
    for table in tables:
        for column, shape in scope.references.embedded.get(table, {}).items():
            if column not in scope.tables[table].columns:
                continue
            for target, ids in _embedded(link, scope, table, column, shape).items():
                held = {one for one in ids if scope.low < one < scope.high}
                found = _existing(link, scope, target, held)
                told = [len(held), found, len(ids) - len(held)]
                counts[f"{table}.{column}>{target}"] = told
    return counts


def _embedded(link: Link, scope: Scope, table: str, column: str, shape: str) -> dict[str, set[int]]:
    name = "t.`key`" if shape == "setting" else "''"
    found: dict[str, set[int]] = {}
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT {name}, t.{quoted(column)} FROM {scope.name(table)} t"
            f" WHERE {scope.where(table)} AND t.{quoted(column)} IS NOT NULL"
        )
        for key, value in cursor.fetchall():
            for target, one in ids_in(shape, str(value), str(key)):
                found.setdefault(target, set()).add(one)
    return found


def _existing(link: Link, scope: Scope, target: str, ids: Collection[int]) -> int:
    if target not in scope.tables or not ids:
        return 0
    listed = ", ".join(map(str, sorted(ids)))
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM {scope.name(target)} t"
            f" WHERE {scope.where(target)} AND t.{quoted(scope.references.key_of(target))}"
            f" IN ({listed})"
        )
        (count,) = cursor.fetchone() or (0,)
    return int(count)
