"""The gabungan: one OpenSID schema for all villages, corrected for that, and its users."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from . import mariadb
from .book import Book
from .driver import connect
from .golden import clone_database
from .outcome import Refusal
from .references import CONFIG, ReferenceMap
from .schemas import Table, quoted, read_schema

if TYPE_CHECKING:
    from .driver import Link
    from .outcome import Steps

# Rows that the regency's own programs write begin here: above every village's place.
RESERVE = 2_000_000_001
_NARROW = re.compile(r"(?:tiny|small|medium)int(?:\(\d+\))?( unsigned)?")
_READ, _WRITE = "SELECT", "SELECT, INSERT, UPDATE, DELETE"
_SLUG = "gabungan"
AGE_CLASSES = "tweb_penduduk_umur"
# Whose rows tell of which release a schema is; they stay, though villages' own are never merged.
VERSIONS = "migrasi"
FIRST = 1


def create(
    socket: str, schema: str, golden: Path, references: ReferenceMap, steps: Steps
) -> list[str]:
    """Make the gabungan from a release's golden snapshot; one that is whole stays as it is.

    Returns what of the schema the reference map does not know.
    """
    with closing(connect(socket, "root")) as link:
        state = mariadb.state_of(link, schema, _SLUG)
        with steps.step("schema") as step:
            _refuse_foreign(schema, state)
            if state is not mariadb.State.COMPLETE:
                step.changed = True
                mariadb.drop_database(link, schema)
                _build(socket, link, schema, golden, references)
                mariadb.mark(link, schema, _SLUG, mariadb.State.COMPLETE)
        with steps.step("book"):
            Book(link, schema).open()
        return references.unknown(read_schema(link, schema))


def _refuse_foreign(schema: str, state: mariadb.State) -> None:
    if state is mariadb.State.FOREIGN:
        raise Refusal(
            "database_exists",
            f"A database {schema} exists that is not this gabungan. It was left as it is. Rename"
            " it, then run this again.",
            database=schema,
        )


def _build(socket: str, link: Link, schema: str, golden: Path, references: ReferenceMap) -> None:
    mariadb.create_database(link, schema, _SLUG)
    with closing(connect(socket, "root", database=schema)) as own:
        clone_database(golden, own)
        correct(own, schema, references)


def correct(link: Link, schema: str, references: ReferenceMap) -> None:
    """Turn one village's fresh database into one for all.

    Its age classes stay, under a village 1 without a name, until that comes: OpenKab takes them
    for all.
    """
    tables = read_schema(link, schema)
    with link.cursor() as cursor:
        cursor.execute("SET SESSION foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        for name, table in tables.items():
            if name in references.regency_wide or name == VERSIONS:
                continue
            if name != AGE_CLASSES:
                cursor.execute(f"DELETE FROM {quoted(schema)}.{quoted(name)}")
            changes = [*_corrections(table, references)]
            if changes:
                cursor.execute(f"ALTER TABLE {quoted(schema)}.{quoted(name)} {', '.join(changes)}")
        cursor.execute(
            f"INSERT INTO {quoted(schema)}.{CONFIG} (id, app_key) VALUES (%s, 'gabungan:')",
            (FIRST,),
        )


def _corrections(table: Table, references: ReferenceMap) -> list[str]:
    """Return the clauses of an ALTER TABLE."""
    if not references.is_village_table(table):
        return []
    # A key is dropped only after the foreign keys that rest on it, and made before others need it.
    return [
        *_without_wrong_foreign_keys(table, references),
        *_widened(table, references),
        *_per_village(table, references),
        *(
            f"ADD INDEX ({', '.join(map(quoted, one))})"
            for one in references.indexes.get(table.name, ())
        ),
        *([f"AUTO_INCREMENT = {RESERVE}"] if table.increments else []),
    ]


def _without_wrong_foreign_keys(table: Table, references: ReferenceMap) -> list[str]:
    """Drop those that declare one target for a column that has several."""
    polymorphic = {
        one.column for one in references.references.get(table.name, ()) if one.kind == "polymorphic"
    }
    names = {name for column, name in table.foreign.items() if column in polymorphic}
    return [f"DROP FOREIGN KEY {quoted(name)}" for name in sorted(names)]


def _widened(table: Table, references: ReferenceMap) -> list[str]:
    """Widen what holds an id and is too narrow for one of the whole regency."""
    columns = {one.column for one in references.references.get(table.name, ())}
    clauses = []
    for name in sorted(columns & table.columns.keys()):
        column = table.columns[name]
        if narrow := _NARROW.fullmatch(column.type):
            null = "NULL" if column.nullable else "NOT NULL"
            clauses.append(f"MODIFY {quoted(name)} INT{narrow[1] or ''} {null}")
    return clauses


def _per_village(table: Table, references: ReferenceMap) -> list[str]:
    """Make unique within a village what two villages may have alike."""
    if "config_id" not in table.columns:
        return []
    numbered = {references.key_of(table.name)} - ({"id"} - set(table.columns))
    numbered |= {one.column for one in references.references.get(table.name, ()) if not one.is_text}
    clauses = []
    for name, columns in table.unique.items():
        if "config_id" not in columns and not numbered & set(columns):
            listed = ", ".join(map(quoted, ["config_id", *columns]))
            clauses.append(f"DROP INDEX {quoted(name)}, ADD UNIQUE INDEX {quoted(name)} ({listed})")
    if table.primary and "config_id" not in table.primary and not numbered & set(table.primary):
        listed = ", ".join(map(quoted, [*table.primary, "config_id"]))
        clauses.append(f"DROP PRIMARY KEY, ADD PRIMARY KEY ({listed})")
    return clauses


def contract(link: Link, schema: str, references: ReferenceMap) -> dict[str, Table]:
    """Return what a village's server must know of the gabungan to send what fits."""
    return {
        name: table
        for name, table in read_schema(link, schema).items()
        if name == CONFIG or references.is_village_table(table)
    }


def schema_version(link: Link, database: str) -> int:
    """Return which version of OpenSID's schema a database has, as its migrations are numbered.

    0 when it does not tell.
    """
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT COALESCE(MAX(CAST(versi_database AS UNSIGNED)), 0)"
            f" FROM {quoted(database)}.{VERSIONS} WHERE versi_database REGEXP '^[0-9]{{10}}$'"
        )
        return int((cursor.fetchone() or (0,))[0])


def grant_users(
    link: Link, schema: str, users: Mapping[str, str], references: ReferenceMap
) -> None:
    """Make the users of the gabungan anew: one that reads, one that writes what OpenKab writes.

    `users` gives the passwords by name; the name that ends in `_w` may write.
    """
    pattern = quoted(schema).replace("_", r"\_")
    with link.cursor() as cursor:
        for name, password in users.items():
            cursor.execute("CREATE OR REPLACE USER %s@localhost IDENTIFIED BY %s", (name, password))
            cursor.execute(f"GRANT {_READ} ON {pattern}.* TO %s@localhost", (name,))
            for table in references.written_by_openkab if name.endswith("_w") else ():
                cursor.execute(
                    f"GRANT {_WRITE} ON {quoted(schema)}.{quoted(table)} TO %s@localhost", (name,)
                )
