"""Views, triggers and routines of a schema: read as their owner, dropped, made again.

`RENAME TABLE` cannot take them along. They are always made as the village's own user: what is
written in them must never run with root's rights.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .definers import portable
from .outcome import MySQLError, Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from .driver import Link

VIEW, TRIGGER = "VIEW", "TRIGGER"
# Where SHOW CREATE gives the text, and where the modes under which it was written.
_COLUMNS = {VIEW: (1, None), TRIGGER: (2, 1), "PROCEDURE": (2, 1), "FUNCTION": (2, 1)}
KINDS = frozenset(_COLUMNS)
_NAMES = (
    "SELECT TABLE_TYPE, TABLE_NAME FROM information_schema.TABLES"
    " WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'VIEW'"
    " UNION ALL SELECT 'TRIGGER', TRIGGER_NAME FROM information_schema.TRIGGERS"
    " WHERE TRIGGER_SCHEMA = %s"
    " UNION ALL SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES"
    " WHERE ROUTINE_SCHEMA = %s AND ROUTINE_TYPE IN ('PROCEDURE', 'FUNCTION')"
)


@dataclass(frozen=True)
class Program:
    """One of them; `sql` makes it, `mode` is the sql_mode it was written under."""

    kind: str
    name: str
    sql: str
    mode: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as data."""
        return asdict(self)


def read(link: Link, database: str) -> list[Program]:
    """Return the programs of a schema, by a connection of its own user that is in it.

    Raises Refusal `program_unreadable` for one that this user may not read: it could not be made
    again.
    """
    found = []
    with link.cursor() as cursor:
        for kind, name in _names(link, database):
            cursor.execute(f"SHOW CREATE {kind} {_quoted(name)}")
            row: Sequence[Any] = cursor.fetchone() or ()
            text, mode = _COLUMNS[kind]
            if len(row) <= text or not row[text]:
                raise _unreadable(kind, name)
            sql = b"".join(portable(io.BytesIO(str(row[text]).encode()))).decode()
            found.append(Program(kind, name, sql, str(row[mode]) if mode else ""))
    return found


def drop(admin: Link, database: str, *, kinds: Collection[str] = KINDS) -> None:
    """Drop all programs of a schema, or those of some kinds; nothing of them is run."""
    with admin.cursor() as cursor:
        for kind, name in [one for one in _names(admin, database) if one[0] in kinds]:
            cursor.execute(f"DROP {kind} IF EXISTS `{database}`.{_quoted(name)}")


def make(link: Link, programs: Iterable[Program]) -> list[str]:
    """Make programs in the schema of `link`; return the names of those that cannot be made.

    One may need another: whatever fails is tried again for as long as that gets any further.
    """
    waiting = sorted(programs, key=lambda one: one.kind == TRIGGER)
    while waiting:
        failed = [one for one in waiting if not _is_made(link, one)]
        if len(failed) == len(waiting):
            return [one.name for one in failed]
        waiting = failed
    return []


def _is_made(link: Link, program: Program) -> bool:
    try:
        with link.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = %s", (program.mode,))
            cursor.execute(program.sql)
    except MySQLError:
        return False
    return True


def _unreadable(kind: str, name: str) -> Refusal:
    return Refusal(
        "program_unreadable",
        f"The {kind.lower()} {name} belongs to another database user and cannot be read. Nothing"
        " was changed. Make it again as the village's own user, or drop it, then try again.",
        name=name,
    )


def _names(link: Link, database: str) -> list[tuple[str, str]]:
    with link.cursor() as cursor:
        cursor.execute(_NAMES, (database,) * 3)
        return [(str(kind), str(name)) for kind, name in cursor.fetchall()]


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
