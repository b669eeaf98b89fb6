"""Reading a village's database as somebody who may do nothing else.

A village has all rights on its database, and may put a view in a table's place between two
looks. What that runs has the rights of whoever selects: never root's, if it is this reader.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import mariadb
from .driver import connect

if TYPE_CHECKING:
    from .driver import Link


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
def reader(socket: str, database: str, purpose: str) -> Iterator[Reader]:
    """Make a user that reads `database`, all of its definitions too; it is gone afterwards.

    One that a killed module left is replaced by the next of the same purpose.
    """
    one = Reader(socket, f"{database}_{purpose}", secrets.token_hex(20))
    with closing(mariadb.administrator(socket)) as admin:
        mariadb.create_reader(admin, one.user, one.password, database)
        try:
            yield one
        finally:
            mariadb.drop_user(admin, one.user)
