"""Villages' databases are dumped by a user that may read one of them and nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import URL

from playbooks.module_utils import mariadb
from playbooks.module_utils.driver import connect
from playbooks.module_utils.outcome import MySQLError
from playbooks.module_utils.reading import reader, sweep_readers

pytestmark = pytest.mark.integration

NAME = "t_dibaca"


@pytest.fixture
def socket(mariadb_server: URL) -> Iterator[str]:
    """A server with a database that has a view with a function, and one beside it."""
    path = str(mariadb_server.query["unix_socket"])
    with closing(connect(path, "root")) as link, link.cursor() as cursor:
        for statement in (
            f"CREATE DATABASE {NAME}",
            f"CREATE TABLE {NAME}.artikel (id INT)",
            f"INSERT INTO {NAME}.artikel VALUES (7)",  # noqa: S608 - a name of ours
            f"CREATE FUNCTION {NAME}.siapa() RETURNS TEXT RETURN CURRENT_USER()",
            f"CREATE VIEW {NAME}.pembaca AS SELECT {NAME}.siapa() AS nama",
        ):
            cursor.execute(statement)
        yield path
        mariadb.drop_database(link, NAME)


def test_a_dump_by_the_reader_is_whole(socket: str) -> None:
    with reader(socket, NAME, "ekspor") as one:
        argv = mariadb.backup_command(socket, NAME, one.user)
        dump = subprocess.run(argv, env=one.environment, capture_output=True, check=True).stdout
    for part in (
        b"INSERT INTO `artikel`",
        b"VIEW `pembaca`",
        b"FUNCTION `siapa`",
        b"Dump completed",
    ):
        assert part in dump


def test_the_reader_writes_nothing_sees_no_neighbour_and_is_gone_afterwards(socket: str) -> None:
    with reader(socket, NAME, "ekspor") as one, closing(one.connect()) as link:
        for sql in (
            f"DELETE FROM {NAME}.artikel",  # noqa: S608 - a name of ours
            "SELECT * FROM mysql.global_priv",
            "SELECT LOAD_FILE('/etc/passwd') INTO OUTFILE '/tmp/x'",
        ):
            with link.cursor() as cursor, pytest.raises(MySQLError, match="denied"):
                cursor.execute(sql)
        left = one
    with pytest.raises(MySQLError, match="denied"):
        left.connect()


def test_what_others_wrote_as_functions_is_read_only_where_there_are_any(socket: str) -> None:
    with closing(connect(socket, "root")) as link, link.cursor() as cursor:
        cursor.execute(f"DROP FUNCTION {NAME}.siapa")
    with (
        reader(socket, NAME, "gabung") as one,
        closing(one.connect()) as own,
        own.cursor() as cursor,
        pytest.raises(MySQLError, match="denied"),
    ):
        cursor.execute("SELECT body FROM mysql.proc")


def test_readers_of_killed_modules_go_and_those_at_work_stay(socket: str) -> None:
    with closing(connect(socket, "root")) as admin:
        mariadb.create_reader(admin, "t_mati_gabung", "x", NAME)
        mariadb.create_user(admin, "t_desa", "x", NAME)
        with reader(socket, NAME, "gabung") as one:
            # Swept before it was made.
            assert sweep_readers(admin) == []
            one.connect().close()
        mariadb.create_reader(admin, one.user, one.password, NAME)
        assert sweep_readers(admin) == [one.user]
        assert mariadb.drop_user(admin, "t_desa")
