"""A village's rows beside the gabungan, in a schema of their own, until they are merged."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .outcome import MySQLError, Refusal
from .schemas import quoted

try:
    from pymysql.converters import escape_string
except ModuleNotFoundError:  # driver.connect says so
    escape_string = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from .driver import Link
    from .manifests import Manifest
    from .schemas import Table

# So many bytes of rows go into one statement, far below what a server takes.
_STATEMENT_BYTES = 1 << 20
_NULL = "\\N"
_ESCAPED = re.compile(r"\\(.)")
_PLAIN = {"t": "\t", "n": "\n", "r": "\r", "0": "\0"}
# Out of range, truncated, no such date or number, too long.
_UNFIT = frozenset({1264, 1265, 1292, 1366, 1406})
_OF_COLUMN = re.compile(r"column (?:`[^`]*`\.`[^`]*`\.)?[`']([^`']+)[`']")
_WHOLE = re.compile(r"(?:tiny|small|medium|big)?int\b(?:\(\d+\))?")
_TEXT = re.compile(r"(?:var)?char\b|(?:tiny|medium|long)?text\b|enum\b|set\b")


def staging_name(schema: str, config_id: int) -> str:
    """Return the name of a village's staging schema."""
    return f"{schema}_s{config_id}"


@contextmanager
def staged(
    link: Link, schema: str, manifest: Manifest, archive: Path, tables: Mapping[str, Table]
) -> Iterator[str]:
    """Load a village's file; yields the schema it lies in, which is dropped whatever happens.

    Columns are as wide as they can be, so that what the gabungan cuts off is seen. Raises
    Refusal `export_damaged` when the file is not what its manifest says, `value_unfit` for a
    value that its column cannot hold.
    """
    name = staging_name(schema, manifest.becomes)
    with owned(link, name) as is_free:
        if not is_free:
            raise Refusal(
                "gabungan_busy",
                "Another merge of this village is under way. Nothing was changed. Look which run"
                " that is, then run this again.",
                gabungan=schema,
            )
        drop(link, name)
        with link.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {quoted(name)} CHARACTER SET utf8mb3")
        try:
            with strictly(link), zipfile.ZipFile(archive) as opened:
                for table in manifest.sent:
                    if manifest.tables[table]["expected"]:
                        _load(link, name, opened, manifest.tables[table], tables[table])
            yield name
        finally:
            drop(link, name)


@contextmanager
def owned(link: Link, name: str) -> Iterator[bool]:
    """Own a staging schema as long as this connection lives; yields False when another one does."""
    with link.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (name,))
        is_free = (cursor.fetchone() or (0,))[0] == 1
        try:
            yield is_free
        finally:
            if is_free:
                cursor.execute("SELECT RELEASE_LOCK(%s)", (name,))


@contextmanager
def strictly(link: Link) -> Iterator[None]:
    """Let the server refuse what does not fit, where it would cut it to size; dates may be odd."""
    with link.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")
        try:
            yield
        finally:
            cursor.execute("SET SESSION sql_mode = REPLACE(@@sql_mode, 'STRICT_ALL_TABLES', '')")


def sweep(link: Link, schema: str) -> int:
    """Drop the staging schemas that killed merges left; return how many."""
    pattern = re.compile(rf"{re.escape(schema)}_s[0-9]+")
    with link.cursor() as cursor:
        cursor.execute("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")
        left = [str(row[0]) for row in cursor.fetchall() if pattern.fullmatch(str(row[0]))]
    count = 0
    for name in left:
        with owned(link, name) as is_free:
            if is_free:
                drop(link, name)
                count += 1
    return count


def drop(link: Link, name: str) -> None:
    """Drop a staging schema, one that a killed merge left behind included."""
    with link.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")


def _load(
    link: Link,
    schema: str,
    archive: zipfile.ZipFile,
    told: Mapping[str, Any],
    wanted: Table,
) -> None:
    table, columns = wanted.name, told["columns"]
    _create(link, schema, table, columns, wanted)
    digest, loaded = hashlib.sha256(), 0
    blobs = [name in told["blobs"] for name in columns]
    target = f"{quoted(schema)}.{quoted(table)} ({', '.join(map(quoted, columns))})"
    with archive.open(f"{table}.tsv") as file, link.cursor() as cursor:
        while lines := file.readlines(_STATEMENT_BYTES):
            digest.update(b"".join(lines))
            rows = ",".join(_row(line.decode(), blobs) for line in lines)
            try:
                loaded += cursor.execute(f"INSERT INTO {target} VALUES {rows}")
            except MySQLError as problem:
                raise _unfit(table, problem) from problem
    if digest.hexdigest() != told["sha256"]:
        raise Refusal(
            "export_damaged",
            f"The rows of {table} arrived damaged. Merge the village again.",
            table=table,
        )
    if loaded != told["expected"]:
        raise Refusal(
            "rows_missing",
            f"Of {told['expected']} rows of {table} {loaded} arrived. Nothing was merged. Merge the"
            " village again; report this with the log if it happens twice.",
            table=table,
            expected=told["expected"],
            merged=loaded,
        )


def _unfit(table: str, problem: MySQLError) -> Exception:
    """Return the refusal of a value; its column is told, what stands in it is not."""
    named = _OF_COLUMN.search(str(problem.args[-1]))
    if problem.args[0] not in _UNFIT or named is None:
        return problem
    return Refusal(
        "value_unfit",
        f"{table}.{named[1]} holds a value that does not fit into the gabungan's column. Nothing"
        " was merged. Mend that column in the village's database, then merge again.",
        table=table,
        column=named[1],
    )


def _row(line: str, blobs: Sequence[bool]) -> str:
    """Return a line as a row of VALUES; whatever stands in it is text, never SQL."""
    cells = line.removesuffix("\n").split("\t")
    return f"({','.join(map(_literal, cells, blobs))})"


def _literal(cell: str, is_blob: bool) -> str:  # noqa: FBT001 - mapped over cells
    if cell == _NULL:
        return "NULL"
    text = _ESCAPED.sub(lambda one: _PLAIN.get(one[1], one[1]), cell) if "\\" in cell else cell
    literal = f"'{escape_string(text)}'"
    return f"UNHEX({literal})" if is_blob else literal


def _create(link: Link, schema: str, table: str, columns: Sequence[str], wanted: Table) -> None:
    fields = ", ".join(
        f"{quoted(name)} {_wide(wanted.columns[name].type)} NULL" for name in columns
    )
    with link.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {quoted(schema)}.{quoted(table)} ({fields})"
            " ENGINE=InnoDB CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci"
        )


def _wide(kind: str) -> str:
    """Return the widest type of the same family; dates and fractions stay what they are."""
    if _WHOLE.match(kind):
        return "DECIMAL(30,0)"
    return "LONGTEXT" if _TEXT.match(kind) else kind
