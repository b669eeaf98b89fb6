"""Taking a village out of the gabungan: at once, wholly, and proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from .book import Book
from .gabungan import AGE_CLASSES, FIRST
from .merging import clear, turn
from .outcome import Refusal
from .references import CONFIG, ReferenceMap
from .relations import Scope
from .schemas import Table, quoted
from .staging import drop, staging_name

if TYPE_CHECKING:
    from .driver import Link


def withdraw(
    link: Link,
    schema: str,
    code: str,
    token: int,
    *,
    tables: Mapping[str, Table],
    references: ReferenceMap,
) -> int:
    """Delete everything of a village in one transaction; return how many rows that were.

    Its place is never given to another one. Raises Refusal `remains` when something is left, and
    nothing has changed then.
    """
    book = Book(link, schema)
    with turn(link, schema):
        link.begin()
        try:
            entry = book.find(code, token)
            if entry is None:
                link.rollback()
                return 0
            known = {name: one for name, one in tables.items() if references.is_village_table(one)}
            scope = Scope(schema, entry.config_id, known, references)
            leaving = replace(scope, tables=_leaving(known, entry.config_id))
            rows = clear(link, leaving, list(leaving.tables), entry)
            _forget_identity(link, schema, entry.config_id)
            _prove(link, leaving)
            book.forget(entry.config_id, token)
            link.commit()
        except BaseException:
            link.rollback()
            raise
        drop(link, staging_name(schema, entry.config_id))
    return rows


def _leaving(tables: Mapping[str, Table], config_id: int) -> dict[str, Table]:
    # Its age classes are those of the whole regency.
    kept = {AGE_CLASSES} if config_id == FIRST else set()
    return {name: table for name, table in tables.items() if name not in kept}


def _forget_identity(link: Link, schema: str, config_id: int) -> None:
    config = f"{quoted(schema)}.{CONFIG}"
    with link.cursor() as cursor:
        cursor.execute(f"DELETE FROM {config} WHERE id = %s", (config_id,))
        if config_id == FIRST:
            cursor.execute(f"INSERT INTO {config} (id, app_key) VALUES (%s, 'gabungan:')", (FIRST,))


def _prove(link: Link, scope: Scope) -> None:
    for table in scope.tables:
        with link.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {scope.name(table)} t WHERE {scope.where(table)}")
            left = int((cursor.fetchone() or (0,))[0])
        if left:
            raise Refusal(
                "remains",
                f"{left} rows of {table} could not be deleted; nothing was. Report this.",
                table=table,
            )
