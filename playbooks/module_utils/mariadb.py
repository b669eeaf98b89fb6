"""Databases and their users on one MariaDB, and the loading and dumping of them.

Whether a database is ours, and whether it is whole, stands in the database's own COMMENT: it
comes into being with the database and vanishes with it, so no crash can part the two.
"""

from __future__ import annotations

import gzip
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .driver import connect
from .outcome import MySQLError, Refusal
from .programs import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .driver import Link

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_-]{2,63}")
_COMMENT = "siappakai {slug} {state}"
# Wrong password, no such database for this user, no such user.
_ACCESS_DENIED = frozenset({1045, 1044, 1698})
_STATEMENT_END = ";\n"
# Around each table mariadb-dump sets, and resets, what every connection of ours is set to: two of
# three statements of a fresh OpenSID. Those around a view (50001) differ, and stay.
_CLIENT_SET = re.compile(
    r"/\*!40101 SET (?:@saved_cs_client +=|character_set_client = (?:utf8mb4|@saved_cs_client))"
)
# Only what a table's definition and rows need: no locks, no drops, no definers.
_DUMP = (
    "mariadb-dump",
    "--no-defaults",
    "--user=root",
    "--single-transaction",
    "--quick",
    "--skip-lock-tables",
    "--skip-add-locks",
    "--skip-disable-keys",
    "--skip-add-drop-table",
    "--skip-comments",
    "--skip-triggers",
    "--hex-blob",
    "--default-character-set=utf8mb4",
)
_DEFINER = re.compile(rb"DEFINER=[^ ]+ SQL SECURITY DEFINER")


class State(StrEnum):
    """What is known of a site's database."""

    ABSENT = "absent"
    FOREIGN = "foreign"
    LOADING = "loading"
    COMPLETE = "complete"
    REMOVING = "removing"


def administrator(socket: str) -> Link:
    """Connect as MariaDB's root, which unix_socket authentication gives to unix root."""
    return connect(socket, "root")


def state_of(link: Link, database: str, slug: str) -> State:
    """Return the state of a site's database; FOREIGN when somebody else made it."""
    with link.cursor() as cursor:
        cursor.execute(
            "SELECT SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s",
            (database,),
        )
        row = cursor.fetchone()
    if row is None:
        return State.ABSENT
    known = {_COMMENT.format(slug=slug, state=state): state for state in State}
    return known.get(str(row[0]), State.FOREIGN)


def believed(state: State, note: Mapping[str, Any]) -> State:
    """Return what is to be believed of a site's database.

    Its mark is the village's to write, who has all rights on it; the note beside the site is
    root's. What was installed is whole until a removal has archived it.
    """
    if note.get("installed_at") and not note.get("removing"):
        return State.COMPLETE if state in {State.LOADING, State.REMOVING} else state
    return state


def create_database(link: Link, database: str, slug: str) -> None:
    """Create a database marked as being loaded."""
    comment = _COMMENT.format(slug=slug, state=State.LOADING)
    with link.cursor() as cursor:
        cursor.execute(
            f"CREATE DATABASE {_quoted(database)}"
            " CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci COMMENT = %s",
            (comment,),
        )


def mark(link: Link, database: str, slug: str, state: State) -> None:
    """Write into the database what is known of it: COMPLETE makes it the village's own."""
    comment = _COMMENT.format(slug=slug, state=state)
    with link.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {_quoted(database)} COMMENT = %s", (comment,))


def drop_database(link: Link, database: str) -> None:
    """Drop a database whatever its foreign keys."""
    with link.cursor() as cursor:
        cursor.execute("SET SESSION foreign_key_checks = 0")
        cursor.execute(f"DROP DATABASE IF EXISTS {_quoted(database)}")
        cursor.execute("SET SESSION foreign_key_checks = DEFAULT")


def create_user(link: Link, user: str, password: str, database: str) -> None:
    """Make the user anew: rights on one database, nothing else, no right to pass them on."""
    with link.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE USER %s@localhost IDENTIFIED BY %s", (user, password))
        cursor.execute(f"GRANT ALL ON {_grant_pattern(database)}.* TO %s@localhost", (user,))


def create_reader(link: Link, user: str, password: str, database: str) -> None:
    """Make the user anew: it reads one database, with what a dump tells of its definitions.

    The text of functions lies with that of all other databases: it may read it only where its own
    has any.
    """
    with link.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE USER %s@localhost IDENTIFIED BY %s", (user, password))
        cursor.execute(
            f"GRANT SELECT, SHOW VIEW, TRIGGER, EXECUTE ON {_grant_pattern(database)}.*"
            " TO %s@localhost",
            (user,),
        )
        cursor.execute("SELECT 1 FROM mysql.proc WHERE db = %s LIMIT 1", (database,))
        if cursor.fetchone() is not None:
            cursor.execute("GRANT SELECT ON mysql.proc TO %s@localhost", (user,))


def drop_user(link: Link, user: str) -> bool:
    """Drop the user; return whether there was one."""
    with link.cursor() as cursor:
        cursor.execute("SELECT 1 FROM mysql.global_priv WHERE User = %s", (user,))
        existed = cursor.fetchone() is not None
        cursor.execute("DROP USER IF EXISTS %s@localhost", (user,))
    return existed


def accepts(socket: str, user: str, password: str, database: str) -> bool:
    """Whether this user gets into this database with this password."""
    try:
        connect(socket, user, password, database).close()
    except MySQLError as problem:
        if problem.args[0] in _ACCESS_DENIED:
            return False
        raise
    return True


def load(link: Link, dump: Path) -> int:
    """Run a dump of `write_dump` in the database of `link`; return the number of statements.

    In this very process: a killed module leaves no child behind that still writes.
    """
    count = 0
    with gzip.open(dump, "rt", encoding="utf-8", newline="") as file, link.cursor() as cursor:
        for statement in statements(file.read()):
            cursor.execute(statement)
            count += 1
    return count


def statements(sql: str) -> Iterator[str]:
    """Split a dump of ours for a connection in utf8mb4.

    mariadb-dump escapes line breaks inside values.
    """
    for part in sql.split(_STATEMENT_END):
        statement = part.strip()
        if statement and not _CLIENT_SET.match(statement):
            yield statement


def write_dump(socket: str, database: str, target: Path) -> None:
    """Write a gzip'ed dump any user can load as its own; raises CalledProcessError."""
    dump = run(*_DUMP, f"--socket={socket}", "--", _checked(database))
    sql = _DEFINER.sub(b"SQL SECURITY INVOKER", dump)
    # The client's own command, not SQL; only the client understands it.
    lines = sql.split(b"\n", 1)
    if lines[0].startswith(b"/*M!999999\\-"):
        sql = lines[1]
    target.write_bytes(gzip.compress(sql, 6, mtime=0))


def full_dump_command(socket: str, database: str, user: str = "root") -> list[str]:
    """Return the command that dumps everything of a database to standard output.

    A village's database is dumped as its `reading.reader`, never as root.
    """
    return [
        "mariadb-dump",
        "--no-defaults",
        f"--user={user}",
        f"--socket={socket}",
        "--single-transaction",
        "--quick",
        "--skip-lock-tables",
        "--routines",
        "--events",
        "--hex-blob",
        "--default-character-set=utf8mb4",
        "--",
        _checked(database),
    ]


def backup_command(socket: str, database: str, user: str) -> list[str]:
    """Return the command that dumps a database as one transaction, writers going on.

    Without events: who restores it has no right to have any.
    """
    full = full_dump_command(socket, database, user)
    return [word for word in full if word != "--events"]


def table_counts(link: Link, database: str) -> dict[str, int]:
    """Return the exact number of rows of each base table."""
    with link.cursor() as cursor:
        cursor.execute(
            "SELECT TABLE_NAME FROM information_schema.TABLES"
            " WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME",
            (database,),
        )
        names = [str(row[0]) for row in cursor.fetchall()]
        return {name: _count(link, database, name) for name in names}


def _count(link: Link, database: str, table: str) -> int:
    name = table.replace("`", "``")
    with link.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {_quoted(database)}.`{name}`")  # noqa: S608 - a checked name; tables as the server lists them
        (count,) = cursor.fetchone() or (0,)
    return int(count)


def _checked(identifier: str) -> str:
    if _IDENTIFIER.fullmatch(identifier) is None:
        raise Refusal(
            "bad_identifier",
            f"{identifier!r} cannot name a database. Report this with the run's log.",
            identifier=identifier,
        )
    return identifier


def _quoted(identifier: str) -> str:
    return f"`{_checked(identifier)}`"


def _grant_pattern(database: str) -> str:
    r"""In GRANT a bare `_` is a wildcard: sp_opensid_1 would also open spXopensid_1."""
    return "`" + _checked(database).replace("_", r"\_") + "`"
