"""What a gabungan holds of each village: its place, when it was merged, and the fingerprints.

It lies in a schema of its own beside the gabungan, so that one transaction changes both, and no
user of the gabungan can write in it.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import ledger
from .outcome import Refusal
from .schemas import quoted

if TYPE_CHECKING:
    from .driver import Link

_SLOTS = (
    "CREATE TABLE IF NOT EXISTS {book}.slots ("
    " config_id INT NOT NULL PRIMARY KEY, code VARCHAR(10) NOT NULL UNIQUE,"
    " shift BIGINT NOT NULL UNIQUE, slots INT NOT NULL, token BIGINT NOT NULL DEFAULT 0,"
    " stamp VARCHAR(32) NOT NULL DEFAULT '', merged_at DATETIME NULL,"
    " statistics LONGTEXT NOT NULL DEFAULT '{{}}', shares TEXT NOT NULL DEFAULT '{{}}')"
    " ENGINE=InnoDB CHARSET=utf8mb4"
)
_FINGERPRINTS = (
    "CREATE TABLE IF NOT EXISTS {book}.fingerprints ("
    " config_id INT NOT NULL, name VARCHAR(64) NOT NULL, amount BIGINT NOT NULL,"
    " sum VARCHAR(40) NOT NULL, PRIMARY KEY (config_id, name)) ENGINE=InnoDB CHARSET=utf8mb4"
)
# In memory: a server that starts again has forgotten it, as it has what it counted.
_MARK = (
    "CREATE TABLE IF NOT EXISTS {book}.mark (one INT NOT NULL PRIMARY KEY,"
    " mark CHAR(16) NOT NULL) ENGINE=MEMORY CHARSET=utf8mb4"
)


@dataclass
class Entry:
    """What is known of one village; `shares` is what was shared of it when it was merged."""

    config_id: int
    code: str
    shift: int
    slots: int
    token: int = 0
    stamp: str = ""
    statistics: dict[str, int] = field(default_factory=dict)
    shares: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Book:
    """The book of the gabungan in `schema`; all of it happens in the transaction of `link`."""

    link: Link
    schema: str

    @property
    def name(self) -> str:
        return quoted(f"{self.schema}_buku")

    def open(self) -> None:
        """Make the book if it is missing; not to be called within a transaction."""
        with self.link.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS {self.name} CHARACTER SET utf8mb4")
            for statement in (_SLOTS, _FINGERPRINTS, _MARK, ledger.GIVEN):
                cursor.execute(statement.format(book=self.name))

    def enter(self, config_id: int, code: str, shift: int, slots: int, token: int) -> Entry:
        """Return a village's entry, locked until the transaction ends; a new one is made.

        Raises Refusal `superseded` when a newer run has been here, `wrong_slot` when the place
        belongs, or ever belonged, to another village.
        """
        ledger.note_place(self.link, self.schema, code, config_id, (shift, slots))
        with self.link.cursor() as cursor:
            cursor.execute(
                f"INSERT IGNORE INTO {self.name}.slots (config_id, code, shift, slots)"
                " VALUES (%s, %s, %s, %s)",
                (config_id, code, shift, slots),
            )
            cursor.execute(
                "SELECT config_id, code, shift, slots, token, stamp, statistics, shares"
                f" FROM {self.name}.slots WHERE config_id = %s FOR UPDATE",
                (config_id,),
            )
            row = cursor.fetchone()
            if row is None or row[1] != code:
                raise ledger.wrong_place(self.link, self.schema, code, config_id)
            self._refuse_older(code, int(row[4]), token)
            cursor.execute(
                f"UPDATE {self.name}.slots SET token = %s WHERE config_id = %s", (token, config_id)
            )
        return Entry(
            config_id=int(row[0]),
            code=str(row[1]),
            shift=int(row[2]),
            slots=int(row[3]),
            token=token,
            stamp=str(row[5]),
            statistics=json.loads(row[6]),
            shares=json.loads(row[7]),
        )

    def find(self, code: str, token: int) -> Entry | None:
        """Return a village's entry, locked until the transaction ends; raises as `enter` does."""
        with self.link.cursor() as cursor:
            cursor.execute(
                f"SELECT config_id, shift, slots FROM {self.name}.slots WHERE code = %s", (code,)
            )
            row = cursor.fetchone()
        return None if row is None else self.enter(int(row[0]), code, row[1], row[2], token)

    def entry_of(self, code: str) -> Entry | None:
        """Return a village's entry as it stands, not locked; None when it has none."""
        with self.link.cursor() as cursor:
            cursor.execute(
                "SELECT config_id, shift, slots, stamp, shares"
                f" FROM {self.name}.slots WHERE code = %s",
                (code,),
            )
            row = cursor.fetchone()
        if row is None:
            return None
        place = (int(row[0]), code, int(row[1]), int(row[2]))
        return Entry(*place, stamp=str(row[3]), shares=json.loads(row[4]))

    def mark(self, *, anew: bool) -> str:
        """Return the mark of what the server counts now; another one after each of its starts."""
        with self.link.cursor() as cursor:
            if anew:
                cursor.execute(f"DELETE FROM {self.name}.mark")
            cursor.execute(
                f"INSERT IGNORE INTO {self.name}.mark VALUES (1, %s)", (secrets.token_hex(8),)
            )
            cursor.execute(f"SELECT mark FROM {self.name}.mark")
            return str((cursor.fetchone() or ("",))[0])

    def stamp_of(self, code: str) -> str:
        """Return the stamp of what is merged of a village; empty when nothing is."""
        with self.link.cursor() as cursor:
            cursor.execute(f"SELECT stamp FROM {self.name}.slots WHERE code = %s", (code,))
            row = cursor.fetchone()
        return str(row[0]) if row else ""

    def shares_of(self, code: str) -> dict[str, str]:
        """Return what was shared of a village when it was merged; nothing if it is not."""
        with self.link.cursor() as cursor:
            cursor.execute(f"SELECT shares FROM {self.name}.slots WHERE code = %s", (code,))
            row = cursor.fetchone()
        return dict(json.loads(row[0])) if row else {}

    def fingerprints(self, config_id: int) -> dict[str, tuple[int, str]]:
        """Return rows and checksum of each table of a village, as they were merged."""
        with self.link.cursor() as cursor:
            cursor.execute(
                f"SELECT name, amount, sum FROM {self.name}.fingerprints WHERE config_id = %s",
                (config_id,),
            )
            return {str(one[0]): (int(one[1]), str(one[2])) for one in cursor.fetchall()}

    @staticmethod
    def _refuse_older(code: str, seen: int, token: int) -> None:
        if token < seen:
            raise Refusal(
                "superseded",
                f"Run {token} is older than run {seen}, which has merged {code} already. Nothing"
                " was done; look at the newer run.",
                token=token,
                seen=seen,
            )

    def note(self, entry: Entry, tables: dict[str, tuple[int, str]], *, is_whole: bool) -> None:
        """Write down what the gabungan holds of a village from this transaction on.

        `is_whole` when nothing else of it is left there.
        """
        with self.link.cursor() as cursor:
            cursor.execute(
                f"UPDATE {self.name}.slots SET shift = %s, slots = %s, stamp = %s, statistics = %s,"
                " shares = %s, merged_at = UTC_TIMESTAMP() WHERE config_id = %s",
                (
                    entry.shift,
                    entry.slots,
                    entry.stamp,
                    json.dumps(entry.statistics),
                    json.dumps(entry.shares),
                    entry.config_id,
                ),
            )
            if is_whole:
                self._forget_tables(entry.config_id)
            if tables:
                cursor.executemany(
                    f"REPLACE INTO {self.name}.fingerprints (config_id, name, amount, sum)"
                    " VALUES (%s, %s, %s, %s)",
                    [(entry.config_id, name, *told) for name, told in tables.items()],
                )

    def forget(self, config_id: int, token: int) -> None:
        """Note that nothing of a village is left; its place stays taken for ever."""
        self._forget_tables(config_id)
        with self.link.cursor() as cursor:
            cursor.execute(
                f"UPDATE {self.name}.slots SET stamp = '', token = %s, merged_at = NULL,"
                " statistics = '{}', shares = '{}' WHERE config_id = %s",
                (token, config_id),
            )

    def _forget_tables(self, config_id: int) -> None:
        with self.link.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {self.name}.fingerprints WHERE config_id = %s", (config_id,)
            )

    def entries(self) -> list[dict[str, Any]]:
        """Return what the book says of every village, in order."""
        with self.link.cursor() as cursor:
            cursor.execute(
                "SELECT s.config_id, s.code, s.shift, s.slots, s.stamp, s.merged_at,"
                " COALESCE(SUM(f.amount), 0), s.statistics"
                f" FROM {self.name}.slots s LEFT JOIN {self.name}.fingerprints f USING (config_id)"
                " GROUP BY s.config_id ORDER BY s.config_id"
            )
            names = ("config_id", "code", "shift", "slots", "stamp", "merged_at", "rows")
            return [
                {**dict(zip(names, row, strict=False)), "statistics": json.loads(row[7])}
                for row in cursor.fetchall()
            ]
