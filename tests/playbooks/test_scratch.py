"""A hostile dump reaches nothing but its throw-away schema, which is gone in every outcome."""

import io
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pymysql
import pytest
from sqlalchemy import URL

from playbooks.module_utils import sandbox
from playbooks.module_utils.account import remove_account
from playbooks.module_utils.definers import portable
from playbooks.module_utils.mariadb import administrator
from playbooks.module_utils.outcome import MySQLError, Refusal
from playbooks.module_utils.processes import wait_until
from playbooks.module_utils.sandbox import Bounds
from playbooks.module_utils.scratch import Scratch, scratch, sweep

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="the clients' account is made by root"),
]
REPOSITORY = Path(__file__).parents[2]
VILLAGE = b"CREATE TABLE desa (id INT PRIMARY KEY, nama TEXT); INSERT INTO desa VALUES (1, 'A');\n"


@pytest.fixture(scope="module")
def layout(
    mariadb_server: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    path = str(mariadb_server.query["unix_socket"])
    Path(path).parent.chmod(0o711)
    prefix = f"t{secrets.token_hex(2)}"
    locks = str(tmp_path_factory.mktemp("locks"))
    yield {"prefix": prefix, "db_socket": path, "lock_dir": locks}
    remove_account(f"{prefix}-scratch", locks)


def _leftovers(layout: dict[str, Any]) -> list[str]:
    with closing(administrator(layout["db_socket"])) as admin, admin.cursor() as cursor:
        cursor.execute(
            "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE %s"
            " UNION SELECT User FROM mysql.global_priv WHERE User LIKE %s",
            (f"{layout['prefix']}%",) * 2,
        )
        return [row[0] for row in cursor.fetchall()]


def _rows(one: Scratch, sql: str) -> list[tuple[Any, ...]]:
    with closing(one.connect()) as link, link.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def test_a_dump_is_loaded_and_read_by_the_schemas_own_user(layout: dict[str, Any]) -> None:
    with scratch(layout) as one:
        one.load([VILLAGE])
        assert _rows(one, "SELECT nama FROM desa") == [("A",)]
        assert _rows(one, "SELECT CURRENT_USER()") == [(f"{one.name}@localhost",)]
        assert one.size() > 0
        with sandbox.dump(one.access(), one.account) as written:
            assert b"INSERT INTO `desa` VALUES\n(1,'A')" in written.read()
    assert _leftovers(layout) == []
    assert list(Path(layout["lock_dir"]).glob(f"{layout['prefix']}*")) == []


@pytest.mark.parametrize(
    "sql",
    [
        b"\\! touch {file}\n",
        b"system touch {file}\n",
        b"tee {file}\nSELECT 1;\n",
        b"source {secret}\n",
        b"\\. {secret}\n",
        b"USE mysql;\n",
        b"\\u mysql\n",
        b"SELECT * FROM mysql.global_priv;\n",
        b"CREATE USER penyusup@localhost IDENTIFIED BY 'x';\n",
        b"GRANT ALL ON *.* TO CURRENT_USER();\n",
        b"SELECT 'x' INTO OUTFILE '{file}';\n",
        b"SELECT 'x' INTO DUMPFILE '{file}';\n",
        b"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE desa;\n",
        b"LOAD DATA INFILE '{secret}' INTO TABLE desa;\n",
        b"SET GLOBAL general_log_file = '{file}';\n",
        b"SET GLOBAL general_log = 1;\n",
        b"CREATE DATABASE lain;\n",
        b"CREATE EVENT kelak ON SCHEDULE EVERY 1 SECOND DO DELETE FROM desa;\n",
        b"CREATE FUNCTION sh RETURNS INT SONAME 'udf.so';\n",
        b"INSTALL SONAME 'ha_connect';\n",
        b"CREATE DEFINER=root@localhost VIEW akar AS SELECT 1;\n",
        b"SHUTDOWN;\n",
    ],
)
def test_a_hostile_line_is_refused(layout: dict[str, Any], tmp_path: Path, sql: bytes) -> None:
    tmp_path.chmod(0o777)
    file, secret = tmp_path / "tertulis", tmp_path / "rahasia"
    secret.write_text("SELECT 1;\n")
    secret.chmod(0o644)
    told = sql.replace(b"{file}", bytes(file)).replace(b"{secret}", bytes(secret))
    with scratch(layout) as one:
        with pytest.raises(Refusal) as refusal:
            one.load([VILLAGE, told])
        assert refusal.value.code == "dump_refused"
        assert "ERROR" in str(refusal.value)
    assert not file.exists()
    assert _leftovers(layout) == []


@pytest.mark.parametrize("engine", ["MyISAM", "InnoDB"])
def test_a_table_that_lies_elsewhere_is_refused(
    layout: dict[str, Any], mariadb_server: URL, engine: str
) -> None:
    elsewhere = Path(str(mariadb_server.query["unix_socket"])).parent
    sql = f"CREATE TABLE luar (id INT) ENGINE={engine} DATA DIRECTORY='{elsewhere}';\n"
    before = set(elsewhere.iterdir())
    with scratch(layout) as one:
        with pytest.raises(Refusal, match="luar lies outside"):
            one.load([VILLAGE, sql.encode()])
        assert one.size() > 0
    assert _leftovers(layout) == []
    assert not [path for path in set(elsewhere.iterdir()) - before if path.is_file()]


def test_a_file_of_the_server_reads_as_nothing(layout: dict[str, Any], tmp_path: Path) -> None:
    secret = tmp_path / "rahasia"
    secret.write_text("rahasia")
    with scratch(layout) as one:
        reading = b"UPDATE desa SET nama = LOAD_FILE('%s');\n" % bytes(secret)
        one.load([VILLAGE, reading])
        assert _rows(one, "SELECT nama FROM desa") == [(None,)]


def test_the_client_cannot_be_sent_to_another_server(layout: dict[str, Any]) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(0.2)
        port = listening.getsockname()[1]
        with scratch(layout) as one, pytest.raises(Refusal):
            one.load([VILLAGE, f"\\r mysql 127.0.0.1:{port}\nSELECT 1;\n".encode()])
        with pytest.raises(TimeoutError):
            listening.accept()


def test_what_a_view_shows_ends_at_its_own_schema(layout: dict[str, Any]) -> None:
    with scratch(layout) as one:
        with pytest.raises(Refusal):
            one.load([b"CREATE VIEW intip AS SELECT * FROM mysql.global_priv;\n"])
        names = b"SELECT SCHEMA_NAME FROM information_schema.SCHEMATA"
        one.load([b"CREATE SQL SECURITY INVOKER VIEW tetangga AS " + names + b";\n"])
        seen = {name for (name,) in _rows(one, "SELECT * FROM tetangga")}
        assert seen - {"test"} == {"information_schema", one.name}


def test_definers_of_elsewhere_are_taken_off_and_texts_are_not(layout: dict[str, Any]) -> None:
    dump = (
        b"CREATE TABLE desa (id INT, nama TEXT);\n"
        b"INSERT INTO desa VALUES (1,'DEFINER=`a`@`b` SQL SECURITY DEFINER');\n"
        b"CREATE ALGORITHM=UNDEFINED DEFINER=`cpanel_u1`@`localhost` SQL SECURITY DEFINER"
        b" VIEW `satu` AS SELECT id FROM desa;\n"
        b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n"
        b"/*!50013 DEFINER=`opensid`@`%` SQL SECURITY DEFINER */\n"
        b"/*!50001 VIEW `dua` AS select nama from desa */;\n"
    )
    with scratch(layout) as one:
        one.load(portable(io.BytesIO(dump)))
        assert _rows(one, "SELECT * FROM dua") == [("DEFINER=`a`@`b` SQL SECURITY DEFINER",)]
        assert _rows(one, "SELECT * FROM satu") == [(1,)]
        security = "SELECT DISTINCT SECURITY_TYPE FROM information_schema.VIEWS"
        assert _rows(one, security) == [("INVOKER",)]


@pytest.mark.patient
def test_time_and_size_have_an_end(layout: dict[str, Any]) -> None:
    with scratch(layout) as one:
        began = time.monotonic()
        with pytest.raises(Refusal) as refusal:
            one.load([VILLAGE, b"SELECT SLEEP(600);\n"], Bounds(seconds=1))
        assert refusal.value.code == "dump_too_slow"
        assert time.monotonic() - began < 10
        with pytest.raises(Refusal) as refusal:
            one.load([VILLAGE] * 100, Bounds(sql_bytes=1000))
        assert refusal.value.code == "dump_too_large"
        grow = b"CREATE TABLE besar (isi LONGBLOB) ENGINE=MyISAM;\n"
        fill = b"INSERT INTO besar VALUES (REPEAT('x', 1000000));\n"
        with pytest.raises(Refusal) as refusal:
            one.load([grow, *[fill] * 400, b"SELECT SLEEP(600);\n"], Bounds(disk_bytes=10_000_000))
        assert refusal.value.code == "dump_too_large"
    assert _leftovers(layout) == []


def test_a_password_that_a_dump_changed_opens_nothing(layout: dict[str, Any]) -> None:
    with scratch(layout) as one:
        one.load([VILLAGE, b"SET PASSWORD = PASSWORD('punyaku');\n"])
        assert _rows(one, "SELECT COUNT(*) FROM desa") == [(1,)]
        with pytest.raises(MySQLError):
            pymysql.connect(unix_socket=layout["db_socket"], user=one.name, password="punyaku")


def test_a_source_that_breaks_breaks_the_load(layout: dict[str, Any]) -> None:
    def damaged() -> Iterator[bytes]:
        yield VILLAGE
        raise EOFError("the archive ends too early")

    with scratch(layout) as one, pytest.raises(EOFError, match="too early"):
        one.load(damaged())


HOLDER = """
import sys
from playbooks.module_utils.scratch import scratch
layout = dict(zip(("prefix", "db_socket", "lock_dir"), sys.argv[1:], strict=True))
def endless():
    yield b"CREATE TABLE desa (id INT);\\n"
    print("loading", flush=True)
    yield b"SELECT SLEEP(600);\\n"
    while True:
        yield b"INSERT INTO desa VALUES (1);\\n"
with scratch(layout) as one:
    one.load(endless())
"""


@pytest.mark.patient
def test_what_a_killed_call_leaves_is_swept_and_what_works_is_not(layout: dict[str, Any]) -> None:
    argv = [sys.executable, "-c", HOLDER, *map(str, layout.values())]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"loading\n"
        with closing(administrator(layout["db_socket"])) as admin:
            assert sweep(layout, admin) == []
            (name,) = _leftovers(layout)
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            assert _clients(name) == [], "the client went with its parent"
            assert sweep(layout, admin) == [name]
    assert _leftovers(layout) == []


def test_the_client_has_no_rights_and_shows_no_password(layout: dict[str, Any]) -> None:
    seen: dict[str, str] = {}

    def looking(one: Scratch) -> Iterator[bytes]:
        yield VILLAGE
        assert wait_until(lambda: bool(_clients(one.name)), 10)
        (client,) = _clients(one.name)
        for what in ("cmdline", "environ", "status"):
            seen[what] = Path(f"/proc/{client}/{what}").read_text()

    with scratch(layout) as one:
        one.load(looking(one))
        assert f"Uid:\t{one.account.uid}\t{one.account.uid}" in seen["status"]
    assert "CapBnd:\t0000000000000000" in seen["status"]
    assert "NoNewPrivs:\t1" in seen["status"]
    assert "password" not in seen["cmdline"] + seen["environ"]
    assert not re.search("[0-9a-f]{40}", seen["cmdline"] + seen["environ"])


def _clients(name: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if words[0].startswith(b"mariadb") and name.encode() in words:
                found.append(int(entry.name))
    return found
