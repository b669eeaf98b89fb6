"""What a live schema looks like: its tables, their columns, keys and foreign keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from .outcome import Refusal

if TYPE_CHECKING:
    from .driver import Link

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True)
class Column:
    """One column: its type as the server writes it, and whether it may be NULL."""

    type: str
    nullable: bool = True


@dataclass
class Table:
    """One base table.

    `unique` holds its unique keys without the primary one; `foreign` the columns with a foreign
    key, with the name of that.
    """

    name: str
    columns: dict[str, Column] = field(default_factory=dict)
    primary: list[str] = field(default_factory=list)
    unique: dict[str, list[str]] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    increments: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as data, for whoever is told about a schema elsewhere."""
        return asdict(self)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Table:
        """Read what `as_dict` wrote."""
        columns = {name: Column(**kind) for name, kind in told["columns"].items()}
        return cls(**{**told, "columns": columns})


def quoted(name: str) -> str:
    """Return an identifier for SQL; raises Refusal for one that no schema of ours has."""
    if _PLAIN.fullmatch(name) is None:
        raise Refusal(
            "bad_identifier",
            f"{name[:80]!r} cannot name a table or column. Rename it in the village's database,"
            " then run this again.",
            identifier=name[:80],
        )
    return f"`{name}`"


def read_schema(link: Link, database: str, *, keys: bool = True) -> dict[str, Table]:
    """Return the base tables of a database by name; names that need quoting are left out.

    Without `keys` only their columns: what changes least costs most to ask for.
    """
    with link.cursor() as cursor:
        cursor.execute(
            "SELECT TABLE_NAME FROM information_schema.TABLES"
            " WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'BASE TABLE'",
            (database,),
        )
        names = [str(row[0]) for row in cursor.fetchall()]
        tables = {name: Table(name) for name in sorted(names) if _PLAIN.fullmatch(name)}
        _read_columns(cursor, database, tables)
        if keys:
            _read_keys(cursor, database, tables)
            _read_foreign(cursor, database, tables)
    return tables


def _read_columns(cursor: Any, database: str, tables: dict[str, Table]) -> None:
    cursor.execute(
        "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, EXTRA"
        " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s"
        " ORDER BY TABLE_NAME, ORDINAL_POSITION",
        (database,),
    )
    for name, column, kind, nullable, extra in cursor.fetchall():
        if name in tables and _PLAIN.fullmatch(column):
            tables[name].columns[column] = Column(str(kind), nullable == "YES")
            tables[name].increments |= "auto_increment" in str(extra)


def _read_keys(cursor: Any, database: str, tables: dict[str, Table]) -> None:
    cursor.execute(
        "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS"
        " WHERE TABLE_SCHEMA = %s AND NON_UNIQUE = 0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
        (database,),
    )
    for name, index, column in cursor.fetchall():
        if name not in tables:
            continue
        if index == "PRIMARY":
            tables[name].primary.append(column)
        else:
            tables[name].unique.setdefault(index, []).append(column)


def _read_foreign(cursor: Any, database: str, tables: dict[str, Table]) -> None:
    cursor.execute(
        "SELECT TABLE_NAME, COLUMN_NAME, CONSTRAINT_NAME FROM information_schema.KEY_COLUMN_USAGE"
        " WHERE TABLE_SCHEMA = %s AND REFERENCED_TABLE_NAME IS NOT NULL",
        (database,),
    )
    for table, column, constraint in cursor.fetchall():
        if table in tables:
            tables[table].foreign[column] = constraint
