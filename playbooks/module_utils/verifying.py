"""Looking whether the gabungan still is what was merged, and what villages have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .book import Book
from .figures import ALIVE
from .fingerprints import fingerprint
from .references import ReferenceMap
from .relations import Scope
from .schemas import Table, quoted
from .sums import compare_sums

if TYPE_CHECKING:
    from .driver import Link

# Numbers that OpenKab joins without asking whose they are.
_SHARED = (
    ("tweb_penduduk", "nik", f" AND t.status_dasar = {ALIVE}"),
    ("tweb_keluarga", "no_kk", ""),
    ("tweb_rtm", "no_kk", ""),
)
_TOLD = 20


def verify(
    link: Link, schema: str, tables: Mapping[str, Table], references: ReferenceMap
) -> dict[str, Any]:
    """Return by village which tables are not what was merged, and the numbers held in common.

    All of it is of one state, whatever is merged meanwhile. Numbers are told by their first
    digits alone.
    """
    with link.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    try:
        return _compare(link, schema, tables, references)
    finally:
        link.rollback()


def _compare(
    link: Link, schema: str, tables: Mapping[str, Table], references: ReferenceMap
) -> dict[str, Any]:
    book = Book(link, schema)
    known = {name: one for name, one in tables.items() if references.is_village_table(one)}
    villages: dict[str, Any] = {}
    entries = book.entries()
    for entry in entries:
        scope = Scope(schema, entry["config_id"], known, references)
        prints = book.fingerprints(entry["config_id"])
        villages[entry["code"]] = {
            "rows": sum(told[0] for told in prints.values()),
            "merged_at": str(entry["merged_at"] or ""),
            "residents": entry["statistics"].get("penduduk", 0),
            "differs": [name for name, told in prints.items() if _now(link, scope, name) != told],
        }
    return {
        "villages": villages,
        "shared": [_common(link, schema, *rule) for rule in _SHARED],
        "sums": compare_sums(link, schema, tables, entries),
    }


def _now(link: Link, scope: Scope, table: str) -> tuple[int, str] | None:
    if table not in scope.tables:
        return None
    columns = scope.tables[table].columns
    return fingerprint(link, scope.name(table), columns, scope.where(table))


def _common(link: Link, schema: str, table: str, column: str, condition: str) -> dict[str, Any]:
    name = quoted(column)
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT CONCAT(LEFT(t.{name}, 6), '…'), COUNT(*), GROUP_CONCAT(DISTINCT t.config_id)"
            f" FROM {quoted(schema)}.{quoted(table)} t"
            f" WHERE t.{name} NOT IN ('', '0') AND t.config_id IS NOT NULL{condition}"
            f" GROUP BY t.{name} HAVING COUNT(DISTINCT t.config_id) > 1"
        )
        rows = cursor.fetchall()
    told = [[str(one[0]), int(one[1]), str(one[2])] for one in rows[:_TOLD]]
    return {"of": f"{table}.{column}", "count": len(rows), "examples": told}
