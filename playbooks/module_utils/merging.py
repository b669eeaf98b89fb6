"""Putting one village's rows into the gabungan: all of them, proven right, or none."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import neighbours
from .book import Book, Entry
from .consents import Consent
from .driver import connect
from .fingerprints import Print, fingerprint, fingerprints
from .identity import identity_differences, identity_of, write_identity
from .manifests import SLOT_SIZE, Manifest
from .outcome import MySQLError, Refusal
from .reconciling import Difference, Reconciliation, refuse
from .references import ReferenceMap
from .relations import Scope
from .schemas import Table, quoted
from .staging import staged

if TYPE_CHECKING:
    from .driver import Link
    from .outcome import Steps

PATIENCE_SECONDS = 3600
_DUPLICATE = 1062
_SESSION = (
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00',"
    " tx_isolation = 'READ-COMMITTED', foreign_key_checks = 0, innodb_lock_wait_timeout = 30"
)


@dataclass(frozen=True)
class Order:
    """The village that shall be merged; `shares` is what it consents to, told apart from its file.

    `identity` are names and codes as the regency writes them.
    """

    schema: str
    code: str
    token: int
    archive: Path
    shares: Mapping[str, str]
    identity: Mapping[str, str]
    references: ReferenceMap


@contextmanager
def writer(socket: str) -> Iterator[Link]:
    """Connect as one that writes into the gabungan."""
    with closing(connect(socket, "root")) as link, link.cursor() as cursor:
        cursor.execute(_SESSION)
        yield link


def merge(link: Link, order: Order, steps: Steps, tables: Mapping[str, Table]) -> dict[str, Any]:
    """Merge a village's file; return what was done. Nothing has changed when this raises."""
    with zipfile.ZipFile(order.archive) as archive:
        manifest = Manifest.read(archive)
    consent = Consent(order.shares, order.references)
    scope = scope_of(order.schema, manifest, tables, order.references)
    with ExitStack() as stack:
        with steps.step("stage") as step:
            staging = stack.enter_context(
                staged(link, order.schema, manifest, order.archive, tables)
            )
            prints = staged_prints(link, staging, manifest)
            step.detail = f"{len(prints)} tables"
        with steps.step("merge") as step, turn(link, order.schema):
            proof = Reconciliation(link, scope, manifest, consent, prints, staging)
            rows = _replace(link, order, proof, staging)
            step.changed, step.detail = True, f"{rows} rows"
    return {**_report(manifest, rows), "shares": dict(order.shares)}


def scope_of(
    schema: str, manifest: Manifest, tables: Mapping[str, Table], references: ReferenceMap
) -> Scope:
    """Return the rows of a village where its file goes to."""
    low = manifest.low + manifest.shift
    return Scope(
        schema,
        manifest.becomes,
        {name: one for name, one in tables.items() if references.is_village_table(one)},
        references,
        low=low,
        high=low + manifest.slots * SLOT_SIZE,
    )


@contextmanager
def turn(link: Link, schema: str) -> Iterator[None]:
    """Let merges of one gabungan take turns; raises Refusal `gabungan_busy` after an hour."""
    with link.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, %s)", (schema, PATIENCE_SECONDS))
        if (cursor.fetchone() or (0,))[0] != 1:
            raise Refusal(
                "gabungan_busy",
                f"Something else has been working on the gabungan for {PATIENCE_SECONDS // 60}"
                " minutes. Nothing was changed. Look which run that is, then run this again.",
                gabungan=schema,
            )
        try:
            yield
        finally:
            cursor.execute("SELECT RELEASE_LOCK(%s)", (schema,))


def staged_prints(link: Link, staging: str, manifest: Manifest) -> dict[str, Print]:
    """Return the fingerprints of the rows that arrived."""
    asked = {
        table: (f"{quoted(staging)}.{quoted(table)}", manifest.tables[table]["columns"], "TRUE")
        for table in manifest.sent
        if manifest.tables[table]["expected"]
    }
    return fingerprints(link, asked)


def _replace(link: Link, order: Order, proof: Reconciliation, staging: str) -> int:
    """Replace, prove and commit in one transaction; return the number of rows written."""
    manifest, book = proof.manifest, Book(link, order.schema)
    link.begin()
    try:
        entry = book.enter(
            manifest.becomes, order.code, manifest.shift, manifest.slots, order.token
        )
        _refuse_other_base(entry, manifest)
        cleared = list(proof.scope.tables) if manifest.is_whole else manifest.sent
        own, before = (
            neighbours.count_own(link, proof.scope, cleared, entry),
            neighbours.touched_rows(link),
        )
        clear(link, proof.scope, cleared, entry)
        rows = fill(link, proof, staging)
        neighbours.refuse_others(before, neighbours.touched_rows(link), own, rows)
        told = identity_of(manifest.identity, order.identity, app_key=f"gabungan:{order.code}")
        write_identity(link, order.schema, manifest.becomes, told)
        refuse(identity_differences(link, order.schema, manifest.becomes, told))
        refuse(proof.differences())
        prints = _prints(proof, manifest)
        book.note(_entry(entry, order, proof), prints, is_whole=manifest.is_whole)
        link.commit()
    except BaseException:
        link.rollback()
        raise
    return rows


def _refuse_other_base(entry: Entry, manifest: Manifest) -> None:
    """Refuse changes to something else than what the gabungan holds."""
    if not manifest.is_whole and manifest.base != entry.stamp:
        raise Refusal(
            "other_base",
            "What the village sent builds on another state than the gabungan holds. It will be"
            " sent whole by its next merge.",
            base=manifest.base,
            stamp=entry.stamp,
        )
    if not manifest.is_whole and manifest.shift != entry.shift:
        raise Refusal(
            "other_base",
            "The village has another place in the gabungan now. It will be sent whole by its next"
            " merge.",
            base=manifest.base,
            stamp=entry.stamp,
        )


def clear(link: Link, scope: Scope, cleared: Sequence[str], entry: Entry) -> int:
    """Delete a village's rows of some tables, foreign keys being off; return how many."""
    rows = 0
    with link.cursor() as cursor:
        for table in cleared:
            if table in scope.references.by_parent:
                # By where its rows lie: the parent may have gone before.
                column = quoted(scope.references.by_parent[table][0])
                condition, last = f"{column} > %s AND {column} <= %s", entry.slots * SLOT_SIZE
                values: tuple[int, ...] = (entry.shift, entry.shift + last)
            else:
                condition, values = "config_id = %s", (scope.config_id,)
            rows += cursor.execute(f"DELETE FROM {scope.name(table)} WHERE {condition}", values)
    return rows


def fill(link: Link, proof: Reconciliation, staging: str) -> int:
    """Write the rows that arrived; return how many."""
    rows = 0
    with link.cursor() as cursor:
        for table in proof.staged:
            columns = ", ".join(map(quoted, proof.manifest.tables[table]["columns"]))
            try:
                rows += cursor.execute(
                    f"INSERT INTO {proof.scope.name(table)} ({columns})"
                    f" SELECT {columns} FROM {quoted(staging)}.{quoted(table)}"
                )
            except MySQLError as problem:
                if problem.args[0] != _DUPLICATE:
                    raise
                # What stands twice may be somebody's NIK: the key alone is told.
                key = str(problem.args[1]).rpartition(" for key ")[2]
                refuse([Difference(table, f"rows alike under {key}", 0, "at least 1")])
    return rows


def _entry(entry: Entry, order: Order, proof: Reconciliation) -> Entry:
    manifest = proof.manifest
    return Entry(
        **{
            **asdict(entry),
            "shift": manifest.shift,
            "slots": manifest.slots,
            "stamp": manifest.stamp,
            # What the gabungan shows, which of a masked village is not what the village shows.
            "statistics": proof.shown if proof.shows_anew else entry.statistics,
            "shares": dict(order.shares),
        }
    )


def _prints(proof: Reconciliation, manifest: Manifest) -> dict[str, Print]:
    """Return the fingerprints of all that was replaced, as they can be taken again later."""
    found = dict.fromkeys(manifest.sent, (0, "0"))
    for table in proof.staged:
        columns, name = list(proof.scope.tables[table].columns), proof.scope.name(table)
        if columns == manifest.tables[table]["columns"]:
            found[table] = proof.staged[table]
        else:
            found[table] = fingerprint(proof.link, name, columns, proof.scope.where(table))
    return found


def _report(manifest: Manifest, rows: int) -> dict[str, Any]:
    return {
        "stamp": manifest.stamp,
        "whole": manifest.is_whole,
        "rows": rows,
        "day": manifest.day,
        "tables": {
            name: [told["source"], told["expected"], told["state"]]
            for name, told in manifest.tables.items()
            if told["source"] or told["expected"]
        },
        "references": len(manifest.references),
        "statistics": {
            name: count for name, count in manifest.statistics.items() if "/" not in name
        },
        "warnings": manifest.warnings,
        "quality": manifest.quality,
    }
