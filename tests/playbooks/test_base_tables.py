"""Root reads what a village's tables hold, and is not made to do what the village says."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pymysql.connections import Connection
from sqlalchemy import URL

from playbooks.module_utils import base_tables
from playbooks.module_utils.driver import connect
from playbooks.module_utils.mariadb import administrator, create_user
from playbooks.module_utils.outcome import MySQLError

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="root is let in by its socket"),
]
DATABASE, PASSWORD = "sp_desa_uji", "a" * 80


@pytest.fixture
def admin(mariadb_server: URL) -> Iterator[Connection]:
    path = str(mariadb_server.query["unix_socket"])
    Path(path).parent.chmod(0o711)
    with closing(administrator(path)) as link, link.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        create_user(link, DATABASE, PASSWORD, DATABASE)
        yield link
        cursor.execute(f"DROP DATABASE {DATABASE}")
        cursor.execute("DROP USER %s@localhost", (DATABASE,))


@pytest.fixture
def village(mariadb_server: URL, admin: Connection) -> Iterator[Connection]:
    path = str(mariadb_server.query["unix_socket"])
    with closing(connect(path, DATABASE, PASSWORD, DATABASE)) as link:
        yield link


def _do(link: Connection, *statements: str) -> None:
    with link.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _looted(village: Connection) -> int:
    with village.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM loot")
        return int(cursor.fetchone()[0])


def test_a_column_is_read_in_order(admin: Connection, village: Connection) -> None:
    _do(
        village,
        "CREATE TABLE migrasi (id INT PRIMARY KEY, versi_database VARCHAR(20))",
        "INSERT INTO migrasi VALUES (1, '2024100101'), (2, '2024090101'), (3, NULL)",
    )
    found = base_tables.column(admin, DATABASE, "migrasi", "versi_database")
    assert found == ["", "2024090101", "2024100101"]
    with pytest.raises(MySQLError, match="no column"):
        base_tables.column(admin, DATABASE, "migrasi", "tiada")
    _do(village, "DROP TABLE migrasi")
    with pytest.raises(MySQLError):
        base_tables.column(admin, DATABASE, "migrasi", "versi_database")


def test_a_view_in_place_of_a_table_gets_nothing_of_roots_rights(
    admin: Connection, village: Connection
) -> None:
    _do(
        village,
        "CREATE TABLE loot (what TEXT)",
        "CREATE FUNCTION grab() RETURNS VARCHAR(20) SQL SECURITY INVOKER BEGIN"
        " INSERT INTO loot SELECT CONCAT(User, Priv) FROM mysql.global_priv;"
        " RETURN '2024100101'; END",
        "CREATE SQL SECURITY INVOKER VIEW migrasi AS SELECT grab() AS versi_database",
    )
    # As root selects, the village has all it wants: that is what must not be done.
    _do(admin, "SELECT versi_database FROM sp_desa_uji.migrasi")
    assert _looted(village) > 0
    _do(village, "DELETE FROM loot")

    with pytest.raises(MySQLError, match="BASE TABLE"):
        base_tables.column(admin, DATABASE, "migrasi", "versi_database")

    assert _looted(village) == 0
