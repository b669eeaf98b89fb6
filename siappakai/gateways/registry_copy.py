"""Copies of the registry: SQLite by its online backup, others by their own dump.

The processes of the panel need not stop for a copy; they must for a restoration.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import URL, make_url

from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.wording import say

_PATH = "/usr/local/bin:/usr/bin:/bin"

# What MariaDB's own programs call what PyMySQL is told in the URL; the rest is not for them.
_MARIADB_NAMES = {
    "unix_socket": "socket",
    "ssl_ca": "ssl_ca",
    "ssl_cert": "ssl_cert",
    "ssl_key": "ssl_key",
    "ssl_verify_identity": "ssl_verify_server_cert",
}
_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
_LAST_BYTES = 200

# What a registry is made of. The schema itself stays, it may be another's; and what came with an
# extension, which only its owner may drop.
_EMPTY = """\
DO $$ DECLARE found record; BEGIN
  FOR found IN SELECT oid::regclass AS name FROM pg_class
      WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass
        AND objid = pg_class.oid AND deptype = 'e') LOOP
    EXECUTE format('DROP TABLE IF EXISTS %s CASCADE', found.name);
  END LOOP;
  FOR found IN SELECT oid::regprocedure AS name FROM pg_proc
      WHERE pronamespace = current_schema()::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass
        AND objid = pg_proc.oid AND deptype = 'e') LOOP
    EXECUTE format('DROP ROUTINE IF EXISTS %s CASCADE', found.name);
  END LOOP;
END $$;
"""


@contextmanager
def _told() -> Iterator[None]:
    """Tell what the machine refuses (no such program, a full disk) as an error of ours."""
    try:
        yield
    except (OSError, sqlite3.Error) as problem:
        raise SiapPakaiError(
            say("Registri tidak dapat disalin: %(reason)s", reason=problem),
            say("Perbaiki sebabnya (disk, hak, program yang kurang), lalu ulangi perintah ini."),
        ) from problem


@_told()
def save_registry(url: str, file: Path) -> None:
    """Copy the registry at `url` into a new file (0600) and read the copy back.

    Raises RefusedError for a database this cannot copy, SiapPakaiError when it fails.
    """
    where = make_url(url)
    kind = _kind(where)
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with ExitStack() as undo:
        undo.callback(file.unlink, missing_ok=True)
        if kind == "sqlite":
            _copy_sqlite(_sqlite_file(where), file)
            _check_sqlite(_sqlite_file(where), file)
        elif kind == "postgresql":
            _postgres("pg_dump", where, "--format=custom", f"--file={file}")
            _check_dump(file)
        else:
            _mariadb("mariadb-dump", where, "--single-transaction", f"--result-file={file}")
            _check_mariadb(file)
        undo.pop_all()


@_told()
def restore_registry(url: str, file: Path) -> None:
    """Make the registry at `url` what it was when `file` was saved, wholly or not at all.

    MariaDB alone can be left in between when it is cut short: it is to be restored again then.
    """
    where = make_url(url)
    kind = _kind(where)
    if kind == "sqlite":
        _copy_sqlite(file, _sqlite_file(where))
    elif kind == "postgresql":
        _restore_postgres(where, file)
    else:
        _restore_mariadb(where, file)


def _restore_postgres(where: URL, file: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="siappakai-restore-") as folder:
        empty, script = Path(folder, "empty.sql"), Path(folder, "registry.sql")
        empty.write_text(_EMPTY)
        # Comments are on extensions, which are their owner's: the registry itself has none.
        bare = ["--no-owner", "--no-privileges", "--no-comments"]
        _run(["pg_restore", *bare, f"--file={script}", str(file)])
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        _postgres("psql", where, *options, f"--file={empty}", f"--file={script}")


def kind_of(url: str) -> str:
    """Return what keeps the registry at `url`: sqlite, postgresql or mariadb (MySQL as well)."""
    kind = make_url(url).get_backend_name()
    return "mariadb" if kind == "mysql" else kind


def _kind(url: URL) -> str:
    """Return what keeps the registry; raises RefusedError for what cannot be copied."""
    kind = url.get_backend_name()
    if kind not in {"sqlite", "postgresql", "mysql", "mariadb"}:
        raise RefusedError(
            say("Registri %(kind)s tidak dapat dicadangkan dari sini.", kind=kind),
            say("Cadangkan dengan alatnya sendiri, lalu mutakhirkan menurut docs/operations.md."),
        )
    return kind


def _sqlite_file(url: URL) -> Path:
    return Path(url.database or "")


def _copy_sqlite(source: Path, target: Path) -> None:
    # Called by root, SQLite gives the files it makes beside a database to that one's owner.
    with closing(_opened(source)) as given, closing(_opened(target)) as taken:
        given.backup(taken)


def _opened(file: Path) -> sqlite3.Connection:
    if not file.exists():
        raise SiapPakaiError(
            say("Berkas %(file)s tidak ada.", file=file), say("Periksa database_url.")
        )
    return sqlite3.connect(file, timeout=60)


def _check_sqlite(source: Path, copy: Path) -> None:
    with closing(_opened(source)) as given, closing(_opened(copy)) as taken:
        sound = taken.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not sound or _tables(given) != _tables(taken):
            raise _unusable(copy)
        # A copy is one file, whatever becomes of what lies beside it.
        taken.execute("PRAGMA journal_mode=DELETE")


def _tables(database: sqlite3.Connection) -> list[str]:
    found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [str(name) for (name,) in found]


def _check_dump(copy: Path) -> None:
    """Read a dump to its end, as a restoration would."""
    _run(["pg_restore", "--file=/dev/null", str(copy)])
    if " TABLE DATA " not in _run(["pg_restore", "--list", str(copy)]):
        raise _unusable(copy)


def _check_mariadb(copy: Path) -> None:
    """Look for the last line, which a dump that was cut short has not."""
    with copy.open("rb") as dump:
        dump.seek(max(0, copy.stat().st_size - _LAST_BYTES))
        if b"-- Dump completed" not in dump.read():
            raise _unusable(copy)


def _restore_mariadb(url: URL, file: Path) -> None:
    options = ("--batch", "--skip-column-names")
    names = _mariadb("mariadb", url, *options, f"--execute={_TABLES}").split()
    drop = "; ".join(["SET FOREIGN_KEY_CHECKS=0", *(f"DROP TABLE `{name}`" for name in names)])
    _mariadb("mariadb", url, f"--execute={drop}")
    with file.open("rb") as dump:
        _mariadb("mariadb", url, given=dump)


def _mariadb(program: str, url: URL, *options: str, given: BinaryIO | None = None) -> str:
    """Run a program of MariaDB's; how it gets in is told by a file, never by arguments."""
    told = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    for name in url.query.keys() & _MARIADB_NAMES.keys():
        told[_MARIADB_NAMES[name]] = str(url.query[name])
    lines = [f"{name}={_quoted(str(value))}" for name, value in told.items() if value]
    with tempfile.NamedTemporaryFile("w", prefix="siappakai-my-") as file:
        file.write("\n".join(["[client]", *lines, ""]))
        file.flush()
        argv = [program, f"--defaults-file={file.name}", *options, str(url.database)]
        return _run(argv, given=given)


def _quoted(value: str) -> str:
    return '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))


def _unusable(copy: Path) -> SiapPakaiError:
    return SiapPakaiError(
        say("Cadangan registri %(file)s tidak dapat dibaca kembali.", file=copy),
        say("Periksa disk dan basis data, lalu ulangi; tidak ada yang diubah."),
    )


def _postgres(program: str, url: URL, *options: str) -> str:
    with _password_file(url) as environment:
        place = (url.host, url.port, url.database, url.query)
        plain = URL.create("postgresql", url.username, None, *place)
        return _run(
            [program, *options, f"--dbname={plain.render_as_string(hide_password=False)}"],
            environment,
        )


@contextmanager
def _password_file(url: URL) -> Iterator[dict[str, str]]:
    """Yield what tells PostgreSQL's programs the URL's password: neither argument nor variable."""
    if not url.password:
        yield {}
        return
    escaped = str(url.password).replace("\\", "\\\\").replace(":", "\\:")
    with tempfile.NamedTemporaryFile("w", prefix="siappakai-pgpass-") as file:
        file.write(f"*:*:*:*:{escaped}\n")
        file.flush()
        yield {"PGPASSFILE": file.name}


def _run(
    argv: list[str], environment: dict[str, str] | None = None, given: BinaryIO | None = None
) -> str:
    known = {"PATH": _PATH, "LC_ALL": "C.UTF-8", **(environment or {})}
    done = subprocess.run(argv, stdin=given, capture_output=True, text=True, check=False, env=known)
    if done.returncode != 0:
        raise SiapPakaiError(
            say("%(program)s gagal: %(reason)s", program=argv[0], reason=done.stderr.strip()),
            say("Perbaiki sebabnya, lalu ulangi perintah ini."),
        )
    return done.stdout
