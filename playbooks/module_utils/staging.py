"""A village's rows beside the gabungan, in a schema of their own, until they are merged."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .outcome import Refusal
from .schemas import quoted

if TYPE_CHECKING:
    from .driver import Link
    from .manifests import Manifest
    from .schemas import Table

_CHUNK = 1 << 20
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
    Refusal `export_damaged` when the file is not what its manifest says.
    """
    name = staging_name(schema, manifest.becomes)
    drop(link, name)
    with link.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {quoted(name)} CHARACTER SET utf8mb3")
    try:
        with zipfile.ZipFile(archive) as opened:
            for table in manifest.sent:
                if manifest.tables[table]["expected"]:
                    _load(link, name, opened, archive.parent, manifest.tables[table], tables[table])
        yield name
    finally:
        drop(link, name)


def drop(link: Link, name: str) -> None:
    """Drop a staging schema, one that a killed merge left behind included."""
    with link.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")


def _load(  # noqa: PLR0917 - all of one row of the manifest
    link: Link,
    schema: str,
    archive: zipfile.ZipFile,
    scratch: Path,
    told: Mapping[str, Any],
    wanted: Table,
) -> None:
    table = wanted.name
    _create(link, schema, table, told["columns"], wanted)
    file = scratch / f".{schema}.tsv"
    try:
        if _extract(archive, f"{table}.tsv", file) != told["sha256"]:
            raise Refusal(
                "export_damaged",
                f"The rows of {table} arrived damaged. Merge the village again.",
                table=table,
            )
        loaded = _fill(link, f"{quoted(schema)}.{quoted(table)}", told, file)
    finally:
        file.unlink(missing_ok=True)
    if loaded != told["expected"]:
        raise Refusal(
            "rows_missing",
            f"Of {told['expected']} rows of {table} {loaded} arrived. Nothing was merged. Merge the"
            " village again; report this with the log if it happens twice.",
            table=table,
            expected=told["expected"],
            merged=loaded,
        )


def _extract(archive: zipfile.ZipFile, member: str, file: Path) -> str:
    digest = hashlib.sha256()
    file.touch(mode=0o600)
    with archive.open(member) as source, file.open("wb") as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()


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


def _fill(link: Link, table: str, told: Mapping[str, Any], file: Path) -> int:
    blobs = told["blobs"]
    fields = ", ".join(f"@{name}" if name in blobs else quoted(name) for name in told["columns"])
    undone = ", ".join(f"{quoted(name)} = UNHEX(@{name})" for name in blobs)
    with link.cursor() as cursor:
        return int(
            cursor.execute(
                f"LOAD DATA LOCAL INFILE %s INTO TABLE {table} CHARACTER SET utf8mb4 ({fields})"
                + (f" SET {undone}" if undone else ""),
                (str(file),),
            )
        )
