"""A gabungan on a private MariaDB, and shaped villages to merge into it."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from playbooks.module_utils import exporting, gabungan, mariadb, merging
from playbooks.module_utils.driver import connect
from playbooks.module_utils.golden import DUMP
from playbooks.module_utils.manifests import SLOT_SIZE, Manifest, Order
from playbooks.module_utils.outcome import Steps
from playbooks.module_utils.references import ReferenceMap
from playbooks.module_utils.withdrawing import Leaving
from tests.shaped import Village, load, reference_map

KEY = "5a" * 32
DAY = "2026-11-22"
# A village has its database to itself, which goes with the server it is on.
_numbers = itertools.count(1)


@dataclass
class Merger:
    """What it takes to merge villages of one MariaDB into its gabungan."""

    socket: str
    folder: Path
    schema: str = "t_gabungan"
    references: ReferenceMap = field(default_factory=reference_map)
    tokens: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def create(self, golden: str) -> list[str]:
        """Make the gabungan from a database that is as fresh as a release's golden one."""
        mariadb.write_dump(self.socket, golden, self.folder / DUMP)
        return gabungan.create(self.socket, self.schema, self.folder, self.references, Steps())

    def village(self, **size: int) -> Village:
        """Make a new shaped village; its database is `t_v<number>`."""
        number = next(_numbers)
        village = Village(number, **size)
        with warnings.catch_warnings(), closing(connect(self.socket, "root")) as link:
            warnings.simplefilter("ignore")
            load(link, f"t_v{number}", village)
        return village

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask or change anything, as carelessly as a village's own programs do."""
        opened = connect(self.socket, "root", sql_mode="")
        with closing(opened) as link, link.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def shares(self, **changes: str) -> dict[str, str]:
        """Everything in full, but for `changes`."""
        return {**dict.fromkeys(self.references.data_groups, "full"), **changes}

    def order(self, village: Village, **changes: Any) -> Order:
        """Return what the source is told of a village, whose place is its number."""
        number = village.number
        with closing(connect(self.socket, "root")) as link:
            wanted = gabungan.contract(link, self.schema, self.references)
        known = {
            "database": f"t_v{number}",
            "code": village.code,
            "becomes": number,
            "shift": (number - 1) * SLOT_SIZE,
            "slots": 1,
            "shares": self.shares(),
            "key": KEY,
            "day": DAY,
            "wanted": wanted,
            "references": self.references,
        }
        return Order(**{**known, **changes})

    def export(self, order: Order) -> Manifest | None:
        """Write the village's file."""
        file = self.file(order)
        file.unlink(missing_ok=True)
        with exporting.snapshot(self.socket, order.database) as link:
            return exporting.export(link, order, file)

    def file(self, order: Order) -> Path:
        return self.folder / f"{order.becomes}.zip"

    def put(self, order: Order, **changes: Any) -> dict[str, Any]:
        """Merge the village's file."""
        known = {
            "schema": self.schema,
            "code": order.code,
            "token": next(self.tokens),
            "archive": self.file(order),
            "shares": order.shares,
            "identity": {},
            "references": self.references,
        }
        with merging.writer(self.socket) as link:
            tables = gabungan.contract(link, self.schema, self.references)
            return merging.merge(link, merging.Order(**{**known, **changes}), Steps(), tables)

    def merge(self, village: Village, **changes: Any) -> dict[str, Any]:
        """Export and merge."""
        order = self.order(village, **changes)
        assert self.export(order)
        return self.put(order)

    def leaving(self, village: Village, token: int | None = None) -> Leaving:
        """Return what is told of a village that is to leave."""
        with closing(connect(self.socket, "root")) as link:
            tables = gabungan.contract(link, self.schema, self.references)
        token = next(self.tokens) if token is None else token
        return Leaving(self.schema, village.code, token, tables, self.references)

    def contents(self, config_id: int) -> Mapping[str, tuple[Any, ...]]:
        """Return a fingerprint of every table of one village in the gabungan."""
        found = {}
        with closing(connect(self.socket, "root")) as link:
            for name, table in gabungan.contract(link, self.schema, self.references).items():
                if "config_id" not in table.columns:
                    continue
                parts = ", ".join(f"COALESCE(`{one}`, '~')" for one in table.columns)
                with link.cursor() as cursor:
                    cursor.execute(
                        f"SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', {parts})))"
                        f" FROM {self.schema}.`{name}` WHERE config_id = {config_id}"
                    )
                    found[name] = cursor.fetchone() or ()
        return found

    def forget(self) -> None:
        """Drop the gabungan."""
        with closing(connect(self.socket, "root")) as link:
            for name in (self.schema, f"{self.schema}_buku"):
                mariadb.drop_database(link, name)


@pytest.fixture(scope="module")
def merger(mariadb_server: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Merger]:
    """A merger with a gabungan; each test brings villages of its own."""
    one = Merger(str(mariadb_server.query["unix_socket"]), tmp_path_factory.mktemp("merger"))
    try:
        # Nothing here outlives the tests, and a village is 200 tables.
        one.query("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
        one.query("SET GLOBAL innodb_file_per_table = 0")
        fresh = one.village(residents=8, others=1)
        assert one.create(f"t_v{fresh.number}") == []
        yield one
    finally:
        one.query("SET GLOBAL innodb_file_per_table = 1")
        one.forget()


@pytest.fixture
def village(merger: Merger) -> Village:
    """A village that has not been merged yet."""
    return merger.village()
