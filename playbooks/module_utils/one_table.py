"""One table of a village, switched by its rows: its neighbours point at it and must go on doing so.

Copies of both states wait in the schemas of aside.py, whole or not there at all. The table itself
is filled from one of them in one transaction of the village's own user.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import aside
from .journals import NEW, OLD
from .outcome import Refusal

if TYPE_CHECKING:
    from .driver import Link
    from .variables import SiteVars

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,58}")
# In the village's schema only while a copy is on its way.
_COPY = "siappakai_copy"
_BACK = {OLD: "siappakai_back_old", NEW: "siappakai_back_new"}


def check(link: Link, database: str, source: Link, name: str) -> None:
    """Raise Refusal `table_refused` for a table that is not the same on both sides."""
    present, coming = _columns(link, database, name), _columns(source, None, name)
    if not present or not coming:
        where = "backup" if present else "village's database"
        raise _refused(name, f"it is not in the {where}")
    if present[0][-1] != "InnoDB":
        raise _refused(name, "its rows cannot be replaced in one transaction")
    if present != coming:
        raise _refused(name, "its columns are others than those in the backup")
    with link.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM information_schema.TRIGGERS"
            " WHERE TRIGGER_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s",
            (database, name),
        )
        if cursor.fetchone() != (0,):
            raise _refused(name, "triggers hang on it")


def receive(admin: Link, site: SiteVars, source: Link, scratch: str, name: str) -> None:
    """Take a copy of the table out of a throw-away schema, made by that schema's user."""
    for side in (OLD, NEW):
        aside.create_schema(admin, aside.schema(site["database"], side))
    _fill_copy(source, name)
    _move(admin, (scratch, _COPY), (aside.schema(site["database"], NEW), name))


def outdate(admin: Link, site: SiteVars, name: str, side: str) -> None:
    """Drop what was once saved of the side that serves: from here on the table itself is it.

    To be called before a switch begins: whoever settles one takes what is saved for the newest.
    """
    _drop(admin, aside.schema(site["database"], side), name)


def save(admin: Link, own: Link, site: SiteVars, name: str, side: str) -> None:
    """Put a copy of the table as it is where `side` waits."""
    _fill_copy(own, name)
    _move(admin, (site["database"], _COPY), (aside.schema(site["database"], side), name))


def fill(admin: Link, own: Link, site: SiteVars, name: str, side: str) -> None:
    """Give the table the rows that wait for `side`, if any do; they go on waiting."""
    place, passing = aside.schema(site["database"], side), _BACK[side]
    if name not in aside.tables(admin, place):
        return
    _move(admin, (place, name), (site["database"], passing))
    try:
        replace_rows(own, name, passing)
    finally:
        _move(admin, (site["database"], passing), (place, name))


def gather(admin: Link, site: SiteVars, name: str) -> None:
    """Bring back to its place what a killed call left on its way."""
    live = site["database"]
    for side, passing in _BACK.items():
        if passing in aside.tables(admin, live):
            _move(admin, (live, passing), (aside.schema(live, side), name))
    _drop(admin, live, _COPY)


def named(name: str) -> str:
    """Return the name of a table; raises Refusal `table_refused` for none of ours."""
    if _PLAIN.fullmatch(name) is None or name.startswith("siappakai_"):
        raise _refused(name, "that is no name of a table")
    return name


def replace_rows(own: Link, name: str, source: str) -> None:
    """Put the rows of another table in the place of a table's own, in one transaction."""
    with own.cursor() as cursor:
        cursor.execute("SET SESSION foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        own.begin()
        cursor.execute(f"DELETE FROM `{name}`")  # noqa: S608 - a checked name
        cursor.execute(f"INSERT INTO `{name}` SELECT * FROM `{source}`")  # noqa: S608 - see above
        own.commit()


def _fill_copy(link: Link, name: str) -> None:
    with link.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        cursor.execute(f"CREATE TABLE `{_COPY}` LIKE `{name}`")
        cursor.execute(f"INSERT INTO `{_COPY}` SELECT * FROM `{name}`")  # noqa: S608 - a checked name


def _columns(link: Link, database: str | None, name: str) -> list[tuple[Any, ...]]:
    with link.cursor() as cursor:
        cursor.execute(
            "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, EXTRA, ENGINE"
            " FROM information_schema.COLUMNS"
            " JOIN information_schema.TABLES USING (TABLE_SCHEMA, TABLE_NAME)"
            " WHERE TABLE_SCHEMA = COALESCE(%s, DATABASE()) AND TABLE_NAME = %s"
            " AND TABLE_TYPE = 'BASE TABLE' ORDER BY ORDINAL_POSITION",
            (database, name),
        )
        return list(cursor.fetchall())


def _move(admin: Link, source: tuple[str, str], target: tuple[str, str]) -> None:
    with admin.cursor() as cursor:
        cursor.execute(f"RENAME TABLE `{source[0]}`.`{source[1]}` TO `{target[0]}`.`{target[1]}`")


def _drop(admin: Link, database: str, name: str) -> None:
    with admin.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS `{database}`.`{name}`")


def _refused(name: str, reason: str) -> Refusal:
    return Refusal(
        "table_refused",
        f"The table {name[:64]!r} was not restored by itself: {reason}. Nothing was changed."
        " Restore the whole database, or choose another table.",
        table=name[:64],
        reason=reason,
    )
