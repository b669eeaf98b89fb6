"""PyMySQL, or a clear word that it is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .outcome import Refusal

try:
    import pymysql
except ModuleNotFoundError:
    pymysql = None  # type: ignore[assignment] # said in `connect`, where it is needed

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

    Link = Connection[Cursor]


def connect(
    socket: str,
    user: str,
    password: str = "",
    database: str | None = None,
    **options: Any,
) -> Link:
    """Connect over a unix socket; raises Refusal `pymysql_missing`, or a MySQLError.

    Statements are committed one by one until a transaction is begun. `options` are PyMySQL's.
    """
    if pymysql is None:
        raise Refusal(
            "pymysql_missing",
            "Python on this server lacks PyMySQL. Prepare the server (server.yml installs"
            " python3-pymysql), then run this again.",
        )
    settings: dict[str, Any] = {**options, "password": password} if password else options
    return pymysql.connect(
        unix_socket=socket,
        user=user,
        database=database,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=10,
        **settings,
    )
