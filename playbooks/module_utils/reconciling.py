"""The proof of a merge, inside its transaction: what stands there is what was to stand there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import figures, resolving
from .consents import NAME_PATTERN, NO_NAME, NO_NUMBER, NUMBER_PATTERN
from .fingerprints import Print, fingerprint, fingerprints
from .outcome import Refusal
from .schemas import quoted

if TYPE_CHECKING:
    from .consents import Consent
    from .driver import Link
    from .manifests import Manifest
    from .relations import Scope

# So many differences are told; the first one is enough to undo the merge.
_TOLD = 20
_EXAMPLES = 5
# program_peserta: where groups take part, it holds the id of one.
_GROUPS_TOO = "peserta"


@dataclass(frozen=True)
class Difference:
    """Something that is not as it should be. `examples` are keys of rows, never what they hold."""

    table: str
    what: str
    expected: Any
    merged: Any
    examples: tuple[int, ...] = ()

    def __str__(self) -> str:
        shown = f", rows {', '.join(map(str, self.examples))}" if self.examples else ""
        return f"{self.table}: {self.what} {self.merged} instead of {self.expected}{shown}"


@dataclass(frozen=True)
class Reconciliation:
    """Compares a village in the gabungan with the manifest of where it came from.

    `staged` are the fingerprints of the rows that arrived, and lie in the schema `staging`.
    """

    link: Link
    scope: Scope
    manifest: Manifest
    consent: Consent
    staged: Mapping[str, Print]
    staging: str

    @property
    def shows_anew(self) -> bool:
        """Whether OpenKab may show something else of the village now."""
        return bool(figures.STATISTICS_OF & set(self.manifest.sent))

    @cached_property
    def shown(self) -> figures.Figures:
        """What OpenKab shows of the village now."""
        day = self.manifest.day
        return figures.statistics(self.link, self.scope, day, shift=self.scope.low)

    def differences(self) -> list[Difference]:
        """Return everything that is not as it should be; empty when the merge is right."""
        found = [*self._rows(), *self._contents(), *self._withheld(), *self._masked()]
        return [*found, *self._references(), *self._statistics()]

    def _rows(self) -> list[Difference]:
        """Every table the village has is there in full, whether or not it changed."""
        lost = []
        for table, told in self.manifest.tables.items():
            if told["source"] != told["expected"] + told["left"]:
                known = told["expected"] + told["left"]
                lost.append(Difference(table, "rows accounted for", told["source"], known))
            if told["state"] == "unknown":
                continue
            if table not in self.scope.tables:
                if told["expected"]:
                    lost.append(Difference(table, "rows", told["expected"], 0))
                continue
            if told["state"] == "sent" and table in self.staged:
                continue
            merged = self._count(table)
            if merged != told["expected"]:
                lost.append(Difference(table, "rows", told["expected"], merged))
        return lost

    def _count(self, table: str, condition: str = "TRUE") -> int:
        with self.link.cursor() as cursor:
            cursor.execute(
                f"SELECT COUNT(*) FROM {self.scope.name(table)} t"
                f" WHERE {self.scope.where(table)} AND {condition}"
            )
            return int((cursor.fetchone() or (0,))[0])

    def _contents(self) -> list[Difference]:
        """Compare what arrived with what stands there: nothing cut off, nothing changed."""
        found, sent = [], self.manifest.tables
        asked = {
            table: (self.scope.name(table), sent[table]["columns"], self.scope.where(table))
            for table in self.staged
        }
        there = fingerprints(self.link, asked)
        for table, expected in self.staged.items():
            columns, merged = sent[table]["columns"], there[table]
            if merged[0] != expected[0]:
                found.append(Difference(table, "rows", expected[0], merged[0]))
            elif merged[1] != expected[1]:
                column, rows = self._changed(table, columns)
                what = f"contents of {column}"
                found.append(Difference(table, what, expected[1], merged[1], rows))
        return found

    def _changed(self, table: str, columns: Collection[str]) -> tuple[str, tuple[int, ...]]:
        """Return which column is not as it arrived, and in which rows."""
        staged, there = f"{quoted(self.staging)}.{quoted(table)}", self.scope.name(table)
        for column in columns:
            merged = fingerprint(self.link, there, [column], self.scope.where(table))
            if fingerprint(self.link, staged, [column], "TRUE") != merged:
                name, key = quoted(column), quoted(self.scope.references.key_of(table))
                same = f"SELECT 1 FROM {staged} s WHERE s.{key} = t.{key} AND BINARY s.{name}"
                other = f"NOT EXISTS ({same} <=> BINARY t.{name})"
                return column, self._examples(table, other)
        return "several columns", ()

    def _withheld(self) -> list[Difference]:
        """Nothing is there of what consent withholds, whatever the source says it sent."""
        return [
            Difference(table, "rows that are withheld", 0, merged)
            for table in sorted(self.consent.withheld(self.scope.tables))
            if (merged := self._count(table))
        ]

    def _masked(self) -> list[Difference]:
        """Nobody's number, name or secret stands there where only a mask may be."""
        found = []
        for table in self.staged:
            has = self.scope.tables[table].columns
            rules = {
                name: rule
                for name, kind in self.consent.masks(table).items()
                if name in has and (rule := _unmasked(name, kind))
            }
            for name in self.scope.references.secrets.get(table, ()):
                if name in has:
                    rules[name] = f"COALESCE(t.{quoted(name)}, '') NOT IN ('', '0')"
            if table == "setting_aplikasi":
                secret = self.scope.references.secret_settings
                rules["value"] = f"t.`key` REGEXP '{secret}' AND t.value <> ''"
            found += self._bare(table, rules)
        return found

    def _bare(self, table: str, rules: Mapping[str, str]) -> list[Difference]:
        if not rules:
            return []
        fields = ", ".join(f"SUM({rule})" for rule in rules.values())
        with self.link.cursor() as cursor:
            cursor.execute(
                f"SELECT {fields} FROM {self.scope.name(table)} t WHERE {self.scope.where(table)}"
            )
            counts = cursor.fetchone() or ()
        return [
            Difference(table, f"{name} unmasked in", 0, int(count), self._examples(table, rule))
            for (name, rule), count in zip(rules.items(), counts, strict=True)
            if count
        ]

    def _references(self) -> list[Difference]:
        """Each reference finds as many rows as in the village, all of them the village's own."""
        touched = self._touched()
        merged = resolving.reference_counts(self.link, self.scope, touched)
        merged |= resolving.embedded_counts(self.link, self.scope, touched)
        found = []
        for name in sorted(merged.keys() | self.manifest.references.keys()):
            table = name.partition(".")[0]
            if table not in touched:
                continue
            nothing = [0, 0, 0]
            expected, there = self.manifest.references.get(name, nothing), merged.get(name, nothing)
            if expected != there:
                what = f"{name.partition('.')[2]} (refer, find, stray)"
                rows = resolving.examples(self.link, self.scope, name, _EXAMPLES)
                found.append(Difference(table, what, expected, there, rows))
        return found

    def _touched(self) -> list[str]:
        """Return the tables whose references may have changed: theirs, and what they refer to."""
        sent = set(self.manifest.sent)
        known = self.scope.references
        return [
            table
            for table in self.scope.tables
            if self.manifest.tables.get(table, {}).get("expected")
            and (
                table in sent
                or any(
                    sent & {*one.targets.values(), *one.by[1::2]}
                    for one in known.references.get(table, ())
                )
                or table in known.embedded
            )
        ]

    def _statistics(self) -> list[Difference]:
        """Compare what OpenKab will show with what the village shows."""
        if not self.shows_anew:
            return []
        merged, expected = self.shown, self.manifest.statistics
        return [
            Difference("statistik", name, expected.get(name, 0), merged.get(name, 0))
            for name in sorted(expected.keys() | merged.keys(), key=lambda one: ("/" in one, one))
            if expected.get(name, 0) != merged.get(name, 0)
            and name.partition("/")[0] not in self.manifest.not_comparable
        ]

    def _examples(self, table: str, condition: str) -> tuple[int, ...]:
        key = self.scope.references.key_of(table)
        kind = self.scope.tables[table].columns.get(key)
        if kind is None or "int" not in kind.type:
            return ()
        with self.link.cursor() as cursor:
            cursor.execute(
                f"SELECT t.{quoted(key)} FROM {self.scope.name(table)} t"
                f" WHERE {self.scope.where(table)} AND {condition} ORDER BY 1 LIMIT {_EXAMPLES}"
            )
            return tuple(int(row[0]) for row in cursor.fetchall())


def refuse(differences: list[Difference]) -> None:
    """Raise Refusal `reconciliation_failed` for differences, if there are any."""
    if differences:
        told = "; ".join(map(str, differences[:_TOLD]))
        raise Refusal(
            "reconciliation_failed",
            f"The merged village is not the village: {told}. Everything was taken back; the"
            " gabungan is as it was. Report this with the run's log.",
            count=len(differences),
            differences=[vars(one) for one in differences[:_TOLD]],
        )


def _unmasked(name: str, kind: str) -> str:
    column = f"COALESCE(t.{quoted(name)}, '')"
    if kind == "blank":
        return f"{column} NOT IN ('', '0')"
    if kind == "year":
        return f"t.{quoted(name)} IS NOT NULL AND DAYOFYEAR(t.{quoted(name)}) > 1"
    pattern = NUMBER_PATTERN if kind == "number" else NAME_PATTERN
    empty = NO_NUMBER if kind == "number" else NO_NAME
    if name == _GROUPS_TOO:
        empty = f"{empty}|^[0-9]{{1,10}}$"
    empty = empty.replace("\\", "\\\\")
    return f"{column} NOT REGEXP '{pattern}' AND {column} NOT REGEXP '{empty}'"
