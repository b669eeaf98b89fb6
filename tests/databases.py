"""Registries for tests: SQLite by default; private PostgreSQL and MariaDB servers on demand.

A schema is migrated once per session and kind, then copied for each test.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import OperationalError

from siappakai.config import Settings
from siappakai.credentials import create_key_ring
from siappakai.models.app import open_registry
from siappakai.models.migrating import upgrade_registry

# Put on a module (`pytestmark`) whose tests take `registry` to run them on every database.
every_database = pytest.mark.parametrize(
    "registry",
    [
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.integration),
        pytest.param("mariadb", marks=pytest.mark.soak),
    ],
    indirect=True,
)

NewDatabase = Callable[[], str]
_START_SECONDS = 30
_names = itertools.count(1)


@pytest.fixture
def registry(request: pytest.FixtureRequest, tmp_path: Path, key_ring: Path) -> Iterator[Flask]:
    """A fresh, migrated registry whose app context is pushed; yields the app.

    Its settings are `app.extensions["siappakai.settings"]`; its state folder is inside
    `tmp_path`.
    """
    kind = getattr(request, "param", "sqlite")
    settings = Settings(
        state=tmp_path / "state",
        run_dir=tmp_path / "run",
        database_url=request.getfixturevalue(f"{kind}_registry_url"),
    )
    settings.state.mkdir(exist_ok=True)
    shutil.copy(key_ring, settings.credentials_file)
    with open_registry(settings) as app:
        yield app


@pytest.fixture(scope="session")
def key_ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("key") / "credentials.key"
    create_key_ring(file)
    return file


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("registry") / "template.sqlite3"
    upgrade_registry(Settings(database_url=f"sqlite:///{file}"))
    # As the program will have it: no copy waits for the disk to be turned to it.
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    return file


@pytest.fixture
def sqlite_registry_url(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a fresh, migrated SQLite registry."""
    file = tmp_path / "registry.sqlite3"
    shutil.copyfile(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """A private PostgreSQL server for the session, on a unix socket alone."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with daemon_folder("pg-", owner=user) as folder:
        initdb = [found[-1] / "initdb", "-D", folder / "data", "-U", "siappakai", "-A", "trust"]
        run_as([*initdb, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"], user, folder)
        server = [found[-1] / "postgres", "-D", folder / "data", "-k", folder]
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=40"]
        url = URL.create(
            "postgresql+psycopg", "siappakai", database="postgres", query={"host": str(folder)}
        )
        with daemon([*server, *options], user, folder, url):
            yield url


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[URL]:
    """A private MariaDB server for the session, on a unix socket alone."""
    with private_mariadb() as url:
        yield url


@contextmanager
def private_mariadb() -> Iterator[URL]:
    """Start a MariaDB of one's own; it is gone afterwards."""
    binary = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    if binary is None:
        pytest.skip("MariaDB is not installed (Debian package mariadb-server)")
    user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with daemon_folder("my-", owner=user) as folder:
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={folder / 'data'}"]
        run_as([*install, "--auth-root-authentication-method=normal"], user, folder)
        server = [binary, "--no-defaults", f"--datadir={folder / 'data'}"]
        # Its temporary files are its own: whoever tidies /tmp up would pull them from under it.
        options = [f"--socket={folder / 'sock'}", "--skip-networking", f"--tmpdir={folder}"]
        url = URL.create(
            "mysql+pymysql",
            "root",
            query={"unix_socket": str(folder / "sock"), "charset": "utf8mb4"},
        )
        with daemon([*server, *options], user, folder, url):
            yield url


@contextmanager
def daemon_folder(prefix: str, *, owner: str) -> Iterator[Path]:
    # Not under pytest's folder: that is closed to the daemon's user, and too long a path for
    # a socket.
    folder = Path(tempfile.mkdtemp(prefix=f"siappakai-{prefix}", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, owner)
        yield folder
    finally:
        shutil.rmtree(folder)


def run_as(argv: list[str | Path], user: str, folder: Path) -> None:
    subprocess.run(argv, check=True, cwd=folder, capture_output=True, **_as(user))


def _as(user: str) -> dict[str, str]:
    return {"user": user} if os.geteuid() == 0 else {}


@contextmanager
def daemon(argv: list[str | Path], user: str, folder: Path, url: URL) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, cwd=folder, stdout=output, stderr=output, **_as(user))
        try:
            _wait(process, url, log)
            yield
        finally:
            process.terminate()
            process.wait(timeout=_START_SECONDS)


def _wait(process: subprocess.Popen[bytes], url: URL, log: Path) -> None:
    engine = create_engine(url)
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            _knock(url)
            engine.connect().close()
        except (OSError, OperationalError):
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"{process.args} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        else:
            engine.dispose()
            return


def _knock(url: URL) -> None:
    """Connect and hang up: PyMySQL leaves its socket open when nothing listens yet."""
    if "unix_socket" in url.query:
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.connect(str(url.query["unix_socket"]))


def _execute(server: URL, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _of(server: URL, name: str) -> str:
    return server.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def postgres_url(postgres_server: URL) -> Iterator[str]:
    """URL of an empty PostgreSQL database."""
    name = f"empty_{next(_names)}"
    _execute(postgres_server, f"CREATE DATABASE {name}")
    yield _of(postgres_server, name)
    _execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_template(postgres_server: URL) -> str:
    _execute(postgres_server, "CREATE DATABASE template")
    upgrade_registry(Settings(database_url=_of(postgres_server, "template")))
    return "template"


@pytest.fixture
def postgresql_registry_url(postgres_server: URL, postgres_template: str) -> Iterator[str]:
    """URL of a fresh, migrated PostgreSQL registry."""
    name = f"registry_{next(_names)}"
    _execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield _of(postgres_server, name)
    _execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def mariadb_url(mariadb_server: URL) -> Iterator[str]:
    """URL of an empty MariaDB database."""
    with _empty_mariadb(mariadb_server) as url:
        yield url


@pytest.fixture
def second_mariadb_url(mariadb_server: URL) -> Iterator[str]:
    """URL of an empty MariaDB database beside that of `mariadb_registry_url`."""
    with _empty_mariadb(mariadb_server) as url:
        yield url


@contextmanager
def _empty_mariadb(server: URL) -> Iterator[str]:
    name = f"empty_{next(_names)}"
    _execute(server, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    yield _of(server, name)
    _execute(server, f"DROP DATABASE {name}")


@pytest.fixture
def mariadb_registry_url(mariadb_url: str) -> str:
    """URL of a fresh, migrated MariaDB registry."""
    upgrade_registry(Settings(database_url=mariadb_url))
    return mariadb_url
