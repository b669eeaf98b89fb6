"""The reference map: what refers to what, what is whose, and what must not leave a village.

Its facts are data (playbooks/references.yml); this reads them, and says where a schema holds
something they do not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .schemas import Table

# A village's own rows, or those of all: what a table without config_id can be.
CONFIG = "config"
_LOOKS_LIKE_ID = re.compile(
    r"(?:id_.+|.+_id|id[A-Z].*|ref_.+|parr?ent|.+_by|atasan)", re.IGNORECASE
)
_COULD_BE_ID = re.compile(r"(?:tiny|small|medium|big)?int|varchar|char|text")


@dataclass(frozen=True)
class Reference:
    """One column that refers to rows.

    `kind` is declared, implicit, user, text or polymorphic; `targets` the tables, by the value
    of the selecting column where that decides (`by`: the way to it), else under an empty key.
    """

    table: str
    column: str
    kind: str
    targets: Mapping[str, str]
    by: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether the column may hold something else than an id."""
        return self.kind in {"text", "polymorphic"}


@dataclass(frozen=True)
class ReferenceMap:
    """The facts, by table; see the comments in references.yml."""

    groups: Mapping[str, str]
    regency_wide: frozenset[str]
    left_out: Mapping[str, str]
    by_parent: Mapping[str, tuple[str, str]]
    keys: Mapping[str, str]
    references: Mapping[str, tuple[Reference, ...]]
    embedded: Mapping[str, Mapping[str, str]]
    not_references: Mapping[str, Sequence[str]]
    with_parent: Mapping[str, Sequence[str]]
    secrets: Mapping[str, Sequence[str]]
    secret_settings: str
    personal: Mapping[str, Mapping[str, str]]
    volatile_tables: frozenset[str]
    volatile_columns: Mapping[str, Sequence[str]]
    indexes: Mapping[str, Sequence[Sequence[str]]]
    written_by_openkab: Sequence[str]
    data_groups: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> ReferenceMap:
        """Read the facts as they stand in the file."""
        return cls(
            groups={table: name for name, tables in facts["groups"].items() for table in tables},
            data_groups=tuple(facts["groups"]),
            regency_wide=frozenset(facts["regency_wide"]),
            by_parent={
                table: (way["column"], way["parent"]) for table, way in facts["by_parent"].items()
            },
            references=_references(facts["references"]),
            embedded=facts["references"]["embedded"],
            volatile_tables=frozenset(facts["volatile_tables"]),
            **{name: facts[name] for name in _AS_THEY_ARE},
        )

    def key_of(self, table: str) -> str:
        """Return the column that numbers the rows of a table."""
        return self.keys.get(table, "id")

    def is_village_table(self, table: Table) -> bool:
        """Whether rows of a table belong to villages."""
        if table.name in self.left_out or table.name == CONFIG:
            return False
        return "config_id" in table.columns or table.name in self.by_parent

    def is_known(self, table: Table) -> bool:
        """Whether the map knows a village's table, and every column that may refer to rows.

        Others are not merged: their ids would be another village's there.
        """
        return table.name in self.groups and not self._suspicious(table)

    def group_of(self, table: str) -> str:
        """Return the data group of a table; one that nobody knows counts as the most private."""
        return self.groups.get(table, "kependudukan")

    def unknown(self, tables: Mapping[str, Table]) -> list[str]:
        """Return what a schema holds that the map does not know: tables, possible references."""
        found = [
            f"table {name}"
            for name in sorted(tables)
            if name not in self.groups
            and name not in self.regency_wide
            and name not in self.left_out
            and name != CONFIG
        ]
        for name, table in sorted(tables.items()):
            found += [f"column {name}.{column}" for column in self._suspicious(table)]
        return found

    def _suspicious(self, table: Table) -> list[str]:
        if not self.is_village_table(table):
            return []
        known = {reference.column for reference in self.references.get(table.name, ())}
        known |= {"config_id", self.key_of(table.name), *self.not_references.get(table.name, ())}
        known |= set(self.embedded.get(table.name, ()))
        return [
            column
            for column, kind in table.columns.items()
            if column not in known
            and _COULD_BE_ID.match(kind.type)
            and (_LOOKS_LIKE_ID.fullmatch(column) or column in table.foreign)
        ]


_AS_THEY_ARE = (
    "left_out",
    "keys",
    "not_references",
    "with_parent",
    "secrets",
    "secret_settings",
    "personal",
    "volatile_columns",
    "indexes",
    "written_by_openkab",
)


def _references(facts: Mapping[str, Any]) -> dict[str, tuple[Reference, ...]]:
    found: dict[str, list[Reference]] = {}
    for kind in ("declared", "implicit", "user", "text"):
        for table, columns in facts[kind].items():
            found.setdefault(table, []).extend(
                Reference(table, column, kind, {"": target}) for column, target in columns.items()
            )
    for table in facts["written_by"]:
        found.setdefault(table, []).extend(
            Reference(table, column, "user", {"": "user"})
            for column in ("created_by", "updated_by")
        )
    for table, columns in facts["polymorphic"].items():
        found.setdefault(table, []).extend(
            Reference(table, column, "polymorphic", rule["cases"], tuple(rule["by"]))
            for column, rule in columns.items()
        )
    return {table: tuple(references) for table, references in found.items()}
