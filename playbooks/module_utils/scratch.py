"""A throw-away schema, for a dump that nobody vouches for.

It has a MariaDB user of its own with rights on it alone, and is gone in every outcome: whoever
is killed in the middle leaves a lock that nobody holds, and the next one clears up after it.
"""

from __future__ import annotations

import secrets
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import mariadb, sandbox
from .account import check_account, create_account, find_account
from .driver import connect
from .fence import hold
from .outcome import Refusal
from .sandbox import Access, Bounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .account import Account
    from .driver import Link
    from .variables import LayoutVars

# What a dump of tables, views and programs needs. No events, which work on when nobody looks,
# and no temporary tables, which lie where nobody measures.
_RIGHTS = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, LOCK TABLES,"
    " CREATE VIEW, SHOW VIEW, TRIGGER, CREATE ROUTINE, ALTER ROUTINE, EXECUTE"
)
_CONNECTIONS = 4
NO_BOUNDS = Bounds()


@dataclass(frozen=True)
class Scratch:
    """One throw-away schema; `admin` is MariaDB's root, which must never read what is in it.

    A view shows its reader what the reader may see: use `connect`.
    """

    layout: LayoutVars
    name: str
    admin: Link
    account: Account

    def load(self, sql: Iterable[bytes], bounds: Bounds = NO_BOUNDS) -> None:
        """Run a dump in it; raises as `sandbox.load` does."""
        try:
            sandbox.load(self.access(), self.account, sql, bounds, self.size)
        finally:
            _disconnect(self.admin, self.name)
        self._refuse_elsewhere()

    def connect(self) -> Link:
        """Connect as the schema's own user."""
        access = self.access()
        return connect(access.socket, access.user, access.password, access.database)

    def access(self) -> Access:
        """Give its user a new password: what was loaded may have changed the one before."""
        password = secrets.token_hex(20)
        with self.admin.cursor() as cursor:
            cursor.execute(
                "CREATE OR REPLACE USER %s@localhost IDENTIFIED BY %s WITH MAX_USER_CONNECTIONS %s",
                (self.name, password, _CONNECTIONS),
            )
            pattern = self.name.replace("_", r"\_")
            cursor.execute(f"GRANT {_RIGHTS} ON `{pattern}`.* TO %s@localhost", (self.name,))
        return Access(self.layout["db_socket"], self.name, self.name, password)

    def size(self) -> int:
        """Return the bytes its tables take on disk, whatever their engine, wherever they lie."""
        try:
            files = [*self._folder().iterdir(), *self._elsewhere()]
            return sum(path.stat().st_blocks * 512 for path in files)
        except FileNotFoundError:
            return 0  # a table was dropped while we looked; the next look will tell

    def _refuse_elsewhere(self) -> None:
        """Refuse DATA DIRECTORY, which any user may write: it reaches other folders and disks."""
        links = [path for path in self._folder().iterdir() if path.is_symlink()]
        for path in (*links, *self._folder().glob("*.isl")):
            reason = f"table {path.stem} lies outside of its database (DATA DIRECTORY)"
            raise sandbox.refused(reason)

    def _elsewhere(self) -> list[Path]:
        return [Path(link.read_text().strip()) for link in self._folder().glob("*.isl")]

    def _folder(self) -> Path:
        with self.admin.cursor() as cursor:
            cursor.execute("SELECT @@datadir")
            (data,) = cursor.fetchone() or ("",)
        return Path(data, self.name)


@contextmanager
def scratch(layout: LayoutVars) -> Iterator[Scratch]:
    """Yield an empty throw-away schema; it and its user are gone afterwards."""
    name = f"{_family(layout)}{secrets.token_hex(6)}"
    account = scratch_account(layout)
    with closing(mariadb.administrator(layout["db_socket"])) as admin:
        sweep(layout, admin)
        with hold(layout["lock_dir"], name):
            try:
                with admin.cursor() as cursor:
                    cursor.execute(
                        f"CREATE DATABASE `{name}` CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci"
                    )
                yield Scratch(layout, name, admin, account)
            finally:
                _drop(layout, admin, name)


def sweep(layout: LayoutVars, admin: Link) -> list[str]:
    """Drop what killed calls left behind; return its names."""
    return [name for name in _left_behind(layout, admin) if _reclaim(layout, admin, name)]


def scratch_account(layout: LayoutVars) -> Account:
    """Return the account that runs the clients; it owns nothing and is made when missing."""
    name = f"{layout['prefix']}-scratch"
    check_account(name)
    return find_account(name) or create_account(name, "/nonexistent", layout["lock_dir"])


def _family(layout: LayoutVars) -> str:
    return f"{layout['prefix']}_scratch_"


def _left_behind(layout: LayoutVars, admin: Link) -> list[str]:
    family = _family(layout)
    with admin.cursor() as cursor:
        cursor.execute(
            "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE LEFT(SCHEMA_NAME, %s) = %s"
            " UNION SELECT User FROM mysql.global_priv WHERE LEFT(User, %s) = %s",
            (len(family), family) * 2,
        )
        return [str(row[0]) for row in cursor.fetchall()]


def _reclaim(layout: LayoutVars, admin: Link, name: str) -> bool:
    """Drop a schema unless somebody works in it."""
    try:
        with hold(layout["lock_dir"], name, patience=0):
            _drop(layout, admin, name)
    except Refusal:
        return False
    return True


def _drop(layout: LayoutVars, admin: Link, name: str) -> None:
    _disconnect(admin, name)
    # The schema first: its user's name leads a later sweep to it.
    mariadb.drop_database(admin, name)
    mariadb.drop_user(admin, name)
    Path(layout["lock_dir"], name).unlink(missing_ok=True)


def _disconnect(admin: Link, name: str) -> None:
    """End what still runs in it: a client that was stopped leaves its last statement at work."""
    with admin.cursor() as cursor:
        cursor.execute("KILL HARD USER %s@localhost", (name,))
