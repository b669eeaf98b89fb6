"""Reading a village's database as somebody who may do nothing else.

A village has all rights on its database, and may put a view in a table's place between two
looks. What that runs has the rights of whoever selects: never root's, if it is this reader.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from . import mariadb
from .driver import connect
from .outcome import Refusal

if TYPE_CHECKING:
    from .driver import Link

# What a database is read for: backup, export, merge, extract.
Purpose = Literal["cadangan", "ekspor", "gabung", "keluar"]
_PATIENCE_SECONDS = 600
_OURS = re.compile(rf"[a-z][a-z0-9_-]*_({'|'.join(get_args(Purpose))})")


@dataclass(frozen=True)
class Reader:
    """A user of MariaDB that reads one database, for as long as it is needed."""

    socket: str
    user: str
    password: str

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of a client program that works as this user."""
        return {**os.environ, "MYSQL_PWD": self.password}

    def connect(self, **options: Any) -> Link:
        """Connect as this user."""
        return connect(self.socket, self.user, self.password, **options)


@contextmanager
def reader(socket: str, database: str, purpose: Purpose) -> Iterator[Reader]:
    """Make a user that reads `database`, all of its definitions too; it is gone afterwards.

    Those that killed modules left go with it. Raises Refusal `database_read` when somebody else
    has been reading it for the same purpose for ten minutes.
    """
    one = Reader(socket, f"{database}_{purpose}", secrets.token_hex(20))
    with closing(mariadb.administrator(socket)) as admin:
        # Ends with the connection, however this process ends: who has none is at work no more.
        if not _own(admin, one.user, _PATIENCE_SECONDS):
            raise Refusal(
                "database_read",
                f"The database {database} is being read by another run. Look which one that is,"
                " then run this again.",
                database=database,
            )
        sweep_readers(admin)
        mariadb.create_reader(admin, one.user, one.password, database)
        try:
            yield one
        finally:
            mariadb.drop_user(admin, one.user)


def sweep_readers(admin: Link) -> list[str]:
    """Drop the readers whose makers are gone; return their names."""
    with admin.cursor() as cursor:
        cursor.execute("SELECT User FROM mysql.global_priv WHERE Host = 'localhost'")
        names = [str(row[0]) for row in cursor.fetchall() if _OURS.fullmatch(str(row[0]))]
        left = [name for name in names if _own(admin, name, 0)]
        for name in left:
            mariadb.drop_user(admin, name)
            cursor.execute("SELECT RELEASE_LOCK(%s)", (_lock(name),))
    return left


def _own(admin: Link, user: str, seconds: int) -> bool:
    with admin.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, %s)", (_lock(user), seconds))
        return bool((cursor.fetchone() or (0,))[0])


def _lock(user: str) -> str:
    """Return the name of a reader's lock: those of MariaDB have 64 characters at most."""
    return f"baca_{user}"[-64:]
