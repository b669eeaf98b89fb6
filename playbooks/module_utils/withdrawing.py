"""Taking a village, or what it shares no more, out of the gabungan: at once, wholly, proven."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from . import figures
from .book import Book, Entry
from .consents import Consent
from .gabungan import AGE_CLASSES, FIRST
from .manifests import SLOT_SIZE
from .merging import clear, turn
from .outcome import EXPECTED, Refusal, failure
from .references import CONFIG, ReferenceMap
from .relations import Scope
from .schemas import Table, quoted
from .staging import drop, staging_name

if TYPE_CHECKING:
    from .driver import Link

_EMPTY = (0, "0")
_Told = TypeVar("_Told")


@dataclass(frozen=True)
class Leaving:
    """What is to leave the gabungan in `schema`: something of the village `code`.

    `tables` are those of the gabungan.
    """

    schema: str
    code: str
    token: int
    tables: Mapping[str, Table]
    references: ReferenceMap


@dataclass(frozen=True)
class Place:
    """Where a village is, or would be if it were merged: its `config.id`, its slots."""

    config_id: int
    slot: int
    slots: int


def of_each(
    codes: Iterable[str], leave: Callable[[str], _Told]
) -> tuple[dict[str, _Told], dict[str, str]]:
    """Let villages leave one by one; return what was told of each, and why some could not."""
    told: dict[str, _Told] = {}
    failed: dict[str, str] = {}
    for code in codes:
        try:
            told[code] = leave(code)
        except (Refusal, *EXPECTED) as problem:
            failed[code] = str(failure(problem)["msg"])
    return told, failed


def refuse_rest(told: Mapping[str, object], failed: Mapping[str, str]) -> None:
    """Raise Refusal `some_remain` for villages that could not leave, if there are any."""
    if failed:
        reasons = "; ".join(f"{code}: {reason}" for code, reason in failed.items())
        raise Refusal(
            "some_remain",
            f"{len(told)} villages were done, {len(failed)} were not: {reasons}",
            villages=list(failed),
        )


def withdraw(link: Link, leaving: Leaving, place: Place) -> int:
    """Delete everything of a village in one transaction; return how many rows that were.

    Its place is never given to another one. One that is not there leaves the token all the same:
    its first merge may be under way. Raises Refusal `remains` when something is left, and nothing
    has changed then.
    """
    book = Book(link, leaving.schema)
    with turn(link, leaving.schema), _transaction(link):
        entry = book.find(leaving.code, leaving.token) or book.enter(
            place.config_id,
            leaving.code,
            place.slot * SLOT_SIZE,
            place.slots,
            leaving.token,
        )
        rows = _delete(link, _scope(leaving, entry, _all_of(leaving, entry)), entry)
        _forget_identity(link, leaving.schema, entry.config_id)
        book.forget(entry.config_id, leaving.token)
    drop(link, staging_name(leaving.schema, entry.config_id))
    return rows


def narrow(link: Link, leaving: Leaving, shares: Mapping[str, str]) -> int:
    """Delete what a village shared when it was merged and shares no more; return how many rows.

    Tables that shall be masked are deleted too: the next merge, of everything, brings them. What
    refers to rows that are gone finds nothing until then. Raises as `withdraw` does.
    """
    book = Book(link, leaving.schema)
    with turn(link, leaving.schema), _transaction(link):
        gone = _narrowed(leaving, book.shares_of(leaving.code), shares)
        entry = book.find(leaving.code, leaving.token) if gone else None
        if entry is None:
            return 0
        rows = _delete(link, _scope(leaving, entry, gone), entry)
        left = _scope(leaving, entry, _all(leaving))
        day = dt.datetime.now(dt.UTC).date().isoformat()
        shown = figures.statistics(link, left, day, shift=entry.shift)
        after = replace(entry, stamp="", shares=dict(shares), statistics=shown)
        book.note(after, dict.fromkeys(gone, _EMPTY), is_whole=False)
    drop(link, staging_name(leaving.schema, entry.config_id))
    return rows


def forget_files(folder: Path, codes: Iterable[str]) -> None:
    """Delete what lies on the disk of villages: what was read of them, and notes of it."""
    for code in codes:
        for left in folder.glob(f"*-{code}.*"):
            left.unlink(missing_ok=True)


@contextmanager
def _transaction(link: Link) -> Iterator[None]:
    link.begin()
    try:
        yield
        link.commit()
    except BaseException:
        link.rollback()
        raise


def _narrowed(
    leaving: Leaving, before: Mapping[str, str], after: Mapping[str, str]
) -> dict[str, Table]:
    """Return the tables of which more was shared before; nothing was when nothing is merged."""
    known = _all(leaving)
    was, shall = Consent(before, leaving.references), Consent(after, leaving.references)
    had, has = known.keys() - was.withheld(known), known.keys() - shall.withheld(known)
    masked = {name for name in has & had if set(shall.masks(name)) - set(was.masks(name))}
    return {name: known[name] for name in ((had - has) | masked)}


def _all(leaving: Leaving) -> dict[str, Table]:
    return {
        name: one
        for name, one in leaving.tables.items()
        if leaving.references.is_village_table(one)
    }


def _all_of(leaving: Leaving, entry: Entry) -> dict[str, Table]:
    # Its age classes are those of the whole regency.
    kept = {AGE_CLASSES} if entry.config_id == FIRST else set()
    return {name: table for name, table in _all(leaving).items() if name not in kept}


def _scope(leaving: Leaving, entry: Entry, tables: Mapping[str, Table]) -> Scope:
    return Scope(
        leaving.schema,
        entry.config_id,
        tables,
        leaving.references,
        low=entry.shift,
        high=entry.shift + entry.slots * SLOT_SIZE,
    )


def _delete(link: Link, scope: Scope, entry: Entry) -> int:
    rows = clear(link, scope, list(scope.tables), entry)
    _prove(link, scope)
    return rows


def _forget_identity(link: Link, schema: str, config_id: int) -> None:
    config = f"{quoted(schema)}.{CONFIG}"
    with link.cursor() as cursor:
        cursor.execute(f"DELETE FROM {config} WHERE id = %s", (config_id,))
        if config_id == FIRST:
            cursor.execute(f"INSERT INTO {config} (id, app_key) VALUES (%s, 'gabungan:')", (FIRST,))


def _prove(link: Link, scope: Scope) -> None:
    """Look for rows that say they are the village's, and for any with numbers of its place."""
    for table in scope.tables:
        with link.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {scope.name(table)} t WHERE {_of(scope, table)}")
            left = int((cursor.fetchone() or (0,))[0])
        if left:
            raise Refusal(
                "remains",
                f"{left} rows of {table} could not be deleted; nothing was. Report this.",
                table=table,
                rows=left,
            )


def _of(scope: Scope, table: str) -> str:
    """Return the condition that a row is of the village's, whatever else was deleted before."""
    columns, facts = scope.tables[table].columns, scope.references
    column, _ = facts.by_parent.get(table, (facts.key_of(table), ""))
    parts = [f"t.config_id = {scope.config_id}"] if "config_id" in columns else []
    if column in columns and "int" in columns[column].type:
        parts.append(scope.holds(f"t.{quoted(column)}"))
    return " OR ".join(parts) or "FALSE"
