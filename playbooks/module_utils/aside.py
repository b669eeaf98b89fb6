"""Two states of one village: the one that serves, and the one that is kept aside.

A restore lays down what comes back beside what runs, then the two change places: folders by
rename(2), tables by one RENAME TABLE, which MariaDB does wholly or not at all. Where a state is
can be seen at any moment, by the slot its folders lie in and by the schema that holds the marker;
so whoever is killed in the middle is followed by one who finishes or takes back.

    <site>/aside/journal.json    what is being done, root's alone; see journals.py
    <site>/aside/old/ new/       folders of the state that is aside
    <database>_old, _new         tables of the state that is aside, and the marker
"""

from __future__ import annotations

import errno
import shutil
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from . import journals, mariadb, passwords, programs_kept, tree
from .driver import connect
from .journals import FOLDER, FORGETTING, NEW, OLD, Journal, other
from .outcome import MySQLError, Refusal
from .programs_kept import Program

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .driver import Link
    from .variables import LayoutVars, SiteVars

MARKER = "siappakai_aside"
# Written into the schemas in which states wait: any other of that name is somebody else's.
_MARK = "siappakai aside"


def schema(database: str, side: str) -> str:
    """Return the schema in which a state waits."""
    return f"{database}_{side}"


def prepare(admin: Link, site: SiteVars, journal: Journal) -> None:
    """Make room for a second state, empty; what lies there without a journal is nobody's.

    Raises Refusal `database_exists` when a schema of somebody else has the name of one of ours.
    """
    _refuse_foreign(admin, site["database"])
    shutil.rmtree(Path(site["folder"], FOLDER), ignore_errors=True)
    journals.write(site["folder"], journal)
    sides = [tree.Entry(f"{FOLDER}/{side}", 0o700) for side in (OLD, NEW)]
    tree.apply(site["folder"], sides)
    drop_schemas(admin, site["database"])


def receive_tables(admin: Link, site: SiteVars, source: str) -> None:
    """Take the tables of a throw-away schema as those of the new state."""
    new, old = schema(site["database"], NEW), schema(site["database"], OLD)
    for name in (new, old):
        create_schema(admin, name)
    programs_kept.drop(admin, source)
    _rename(admin, [(source, name, new) for name in tables(admin, source)])
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE TABLE `{new}`.`{MARKER}` (since TIMESTAMP)")


def create_schema(admin: Link, name: str) -> None:
    """Make a schema in which a state waits, marked as ours."""
    with admin.cursor() as cursor:
        cursor.execute(
            f"CREATE DATABASE `{name}` CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci"
            " COMMENT = %s",
            (_MARK,),
        )


def switch_folders(site: SiteVars, journal: Journal, side: str) -> None:
    """Put the folders of a state in place, wherever an earlier attempt was cut off."""
    for slot, path in journal.paths.items():
        switch_folder(site["folder"], journal, slot, path, side)


def switch_database(
    admin: Link, layout: LayoutVars, site: SiteVars, journal: Journal, side: str
) -> None:
    """Let the tables of a state serve, wherever an earlier attempt was cut off.

    Its programs are made by the village's own user, with the password in its settings: the
    folders come first.
    """
    if not journal.has_tables:
        return
    programs_kept.drop(admin, site["database"])
    switch_tables(admin, site["database"], side)
    wanted = [Program(**one) for one in journal.programs[side]]
    journal.not_made = make_programs(layout, site, wanted)


def forget(admin: Link, site: SiteVars, journal: Journal) -> None:
    """Drop what is aside; the journal goes last."""
    folder = Path(site["folder"], FOLDER)
    journal.phase = FORGETTING
    try:
        journals.write(site["folder"], journal)
    except OSError as problem:
        if problem.errno != errno.ENOSPC:
            raise
        _make_room(folder, other(journal.serving))
        journals.write(site["folder"], journal)
    drop_schemas(admin, site["database"])
    for side in (OLD, NEW):
        shutil.rmtree(folder / side, ignore_errors=True)
    shutil.rmtree(folder)


def _make_room(folder: Path, side: str) -> None:
    """Delete the folders of a state on a full disk; at once they are none that can come back."""
    gone = folder / f"gone-{time.time_ns()}"
    (folder / side).rename(gone)
    shutil.rmtree(gone)


def drop_schemas(admin: Link, database: str) -> None:
    """Drop the schemas in which states wait; what has their names and is not ours stays."""
    for name in _ours(admin, database):
        mariadb.drop_database(admin, name)


def _ours(admin: Link, database: str) -> list[str]:
    return [name for name, comment in _marks(admin, database) if comment == _MARK]


def _marks(admin: Link, database: str) -> list[tuple[str, str]]:
    """Return the schemas there are under the names of ours, with their comments."""
    with admin.cursor() as cursor:
        cursor.execute(
            "SELECT SCHEMA_NAME, SCHEMA_COMMENT FROM information_schema.SCHEMATA"
            " WHERE SCHEMA_NAME IN (%s, %s)",
            (schema(database, OLD), schema(database, NEW)),
        )
        return [(str(name), str(comment)) for name, comment in cursor.fetchall()]


def _refuse_foreign(admin: Link, database: str) -> None:
    for name, comment in _marks(admin, database):
        if comment != _MARK:
            raise Refusal(
                "database_exists",
                f"There is a database {name} that no restore made. Nothing was changed. Look at"
                " what is in it, rename it, then try again.",
                database=name,
            )


def is_whole(admin: Link, site: SiteVars, journal: Journal) -> bool:
    """Tell whether all that is said to be aside is there."""
    side = other(journal.serving)
    folders = all(
        tree.exists(site["folder"], f"{FOLDER}/{side}/{slot}") for slot in journal.has[side]
    )
    sign = MARKER if journal.has_tables else journal.table
    return folders and (not sign or sign in tables(admin, schema(site["database"], side)))


def note_present(site: SiteVars, journal: Journal) -> None:
    """Note which of the folders the serving state holds now."""
    journal.has[journal.serving] = [
        slot for slot, path in journal.paths.items() if tree.exists(site["folder"], path)
    ]


def tables(admin: Link, database: str) -> list[str]:
    """Return what can be renamed in a schema."""
    with admin.cursor() as cursor:
        cursor.execute(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
            " AND TABLE_TYPE <> 'VIEW' ORDER BY TABLE_NAME",
            (database,),
        )
        return [str(name) for (name,) in cursor.fetchall()]


def switch_folder(root: str, journal: Journal, slot: str, path: str, side: str) -> None:
    """Put one folder of a state in its place, the other state's into its slot."""
    waiting, away = f"{FOLDER}/{side}/{slot}", f"{FOLDER}/{other(side)}/{slot}"
    has_come = not tree.exists(root, waiting)
    if has_come and (slot in journal.has[side] or tree.exists(root, away)):
        return
    if tree.exists(root, path):
        # Both states aside already: what is there now came into being while the site was closed.
        is_stray = tree.exists(root, away)
        tree.move(root, path, f"{FOLDER}/stray-{time.time_ns()}" if is_stray else away)
    if not has_come:
        tree.move(root, waiting, path)


def switch_tables(admin: Link, database: str, side: str) -> None:
    """Let the tables of a state change places with those that serve, if they are aside."""
    here, there = schema(database, side), schema(database, other(side))
    waiting = tables(admin, here)
    if MARKER not in waiting:
        return
    leaving = [(database, name, there) for name in tables(admin, database)]
    coming = [(here, name, database) for name in waiting if name != MARKER]
    _rename(admin, [*leaving, *coming, (here, MARKER, there)])


def _rename(admin: Link, moves: Iterable[tuple[str, str, str]]) -> None:
    """Move tables, each from a schema to another, in one statement."""
    told = ", ".join(
        f"`{source}`.{_quoted(name)} TO `{target}`.{_quoted(name)}"
        for source, name, target in moves
    )
    if told:
        with admin.cursor() as cursor:
            # Whoever holds a table open for longer shall not keep the village closed for a day.
            cursor.execute("SET SESSION lock_wait_timeout = 60")
            cursor.execute(f"RENAME TABLE {told}")


def make_programs(layout: LayoutVars, site: SiteVars, wanted: list[Program]) -> list[str]:
    """Make the programs of the state that serves; return the names of those that cannot be."""
    if not wanted:
        return []
    password = passwords.in_use(site["folder"])
    try:
        link = connect(layout["db_socket"], site["db_user"], password, site["database"])
    except MySQLError:
        return [one.name for one in wanted]
    with closing(link):
        return programs_kept.make(link, wanted)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
