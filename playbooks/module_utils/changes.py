"""What has changed in villages' databases since they were last read; asked for cheaply.

MariaDB counts the rows changed in each table (`userstat`), and numbers its tables: one that was
emptied or changed places, as restores do it, counts no rows and has another number. A village
whose counters and numbers stand still is left alone; in another one every table is summed up,
since a foreign key's cascade changes rows without counting them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .schemas import quoted

if TYPE_CHECKING:
    from .book import Book
    from .driver import Link
    from .references import ReferenceMap
    from .schemas import Table


@dataclass(frozen=True)
class Counters:
    """Rows changed by database and table since the server counts; what is at work just now.

    `numbers` are the server's own of the tables.

    Counters of different `mark` cannot be compared: the server counted anew in between.
    """

    mark: str
    changed: Mapping[str, Mapping[str, int]]
    numbers: Mapping[str, Mapping[str, int]]
    writing: frozenset[str]

    def settled(self, database: str, quiet: Collection[str]) -> dict[str, list[int]] | None:
        """Return counter and number of each table of a database but `quiet` ones.

        None when they prove nothing: a transaction is open whose rows count already and are not
        to be seen yet.
        """
        if database in self.writing:
            return None
        changed, numbers = self.changed.get(database, {}), self.numbers.get(database, {})
        known = sorted((changed.keys() | numbers.keys()) - set(quiet))
        return {table: [changed.get(table, 0), numbers.get(table, 0)] for table in known}


def read_counters(link: Link, book: Book) -> Counters:
    """Look at all databases of a server; to be called before the snapshot it shall vouch for.

    A server that does not count begins to, under a new mark.
    """
    with link.cursor() as cursor:
        cursor.execute("SELECT @@userstat")
        (is_counting,) = cursor.fetchone() or (0,)
        if not is_counting:
            cursor.execute("SET GLOBAL userstat = 1")
        mark = book.mark(anew=not is_counting)
        cursor.execute(
            "SELECT TABLE_SCHEMA, TABLE_NAME, ROWS_CHANGED FROM information_schema.TABLE_STATISTICS"
        )
        changed = _by_database(cursor.fetchall())
        cursor.execute(
            "SELECT SUBSTRING_INDEX(NAME, '/', 1), SUBSTRING_INDEX(NAME, '/', -1), TABLE_ID"
            " FROM information_schema.INNODB_SYS_TABLES"
        )
        numbers = _by_database(cursor.fetchall())
        cursor.execute(
            "SELECT DISTINCT p.DB FROM information_schema.INNODB_TRX x"
            " JOIN information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id"
            " WHERE x.trx_rows_modified > 0"
        )
        writing = frozenset(str(row[0]) for row in cursor.fetchall() if row[0])
    return Counters(mark, changed, numbers, writing)


def _by_database(rows: Iterable[Sequence[Any]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for database, table, count in rows:
        found.setdefault(str(database), {})[str(table)] = int(count)
    return found


def checksums(
    link: Link, database: str, tables: Mapping[str, Table], references: ReferenceMap
) -> dict[str, str]:
    """Return a checksum of each table, of the snapshot that `link` is in.

    Columns that change by themselves do not count.
    """
    plain = [name for name in tables if name not in references.volatile_columns]
    found: dict[str, str] = {}
    with link.cursor() as cursor:
        if plain:
            listed = ", ".join(f"{quoted(database)}.{quoted(name)}" for name in plain)
            cursor.execute(f"CHECKSUM TABLE {listed}")
            rows = cursor.fetchall()
            found = {name: str(row[1]) for name, row in zip(plain, rows, strict=True)}
        for name in tables.keys() - found.keys():
            left = references.volatile_columns[name]
            columns = [quoted(one) for one in tables[name].columns if one not in left]
            cursor.execute(
                f"SELECT COUNT(*), SUM(CRC32(CONCAT_WS('\\x1f', {_all_of(columns)})))"
                f" FROM {quoted(database)}.{quoted(name)}"
            )
            found[name] = "/".join(map(str, cursor.fetchone() or ()))
    return found


def _all_of(columns: list[str]) -> str:
    return ", ".join(f"COALESCE({one}, '\\x1e')" for one in columns)
