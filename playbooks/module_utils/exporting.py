"""Reading a village's database for the gabungan: one state, filtered and masked where it lies.

What is written is a zip file: rows of each table that changed, as they shall stand in the
gabungan, and a manifest of what was counted in the very state they come from.
"""

from __future__ import annotations

import json
import secrets
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .changes import Counters, checksums
from .consents import Pseudonyms
from .describing import count, describe, passage_of, read_identity, refuse_too_large
from .labels import compare, read_labels
from .manifests import MANIFEST, Manifest, Order
from .reading import reader
from .references import CONFIG
from .schemas import Table, read_schema
from .sending import write_tables

try:
    from pymysql.constants import FIELD_TYPE
    from pymysql.converters import conversions
except ModuleNotFoundError:  # driver.connect says so
    FIELD_TYPE = conversions = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from .driver import Link
    from .reading import Purpose


@contextmanager
def snapshot(socket: str, database: str, purpose: Purpose = "gabung") -> Iterator[Link]:
    """Open one state of a village's database; nobody who writes waits for it."""
    numbers = {FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG}
    # Dates stay as the server writes them: Python knows none of zeros.
    kept = {
        kind: convert
        for kind, convert in conversions.items()
        if not isinstance(kind, int) or kind in numbers | {FIELD_TYPE.INT24}
    }
    with (
        reader(socket, database, purpose) as one,
        closing(one.connect(conv=kept)) as link,
        link.cursor() as cursor,
    ):
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SET SESSION time_zone = '+00:00', sql_mode = ''")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield link


def export(link: Link, order: Order, target: Path) -> Manifest | None:
    """Write a village's file from the snapshot `link`; None, and no file, when nothing changed.

    Raises Refusal when the database is not this village's, or its ids do not fit into its slots.
    """
    tables = read_schema(link, order.database, keys=False)
    config_id, identity = read_identity(link, order, tables)
    counting = _counting(order, tables)
    now = dict.fromkeys(counting, "")
    if not order.is_final:
        now = checksums(link, order.database, counting, order.references)
    changed = [name for name in now if order.known is None or order.known.get(name) != now[name]]
    if not set(changed) - order.references.volatile_tables:
        return None
    passage = passage_of(link, order, tables, config_id)
    refuse_too_large(link, order, passage)
    manifest = Manifest(
        stamp=secrets.token_hex(8),
        becomes=order.becomes,
        shift=order.shift,
        slots=order.slots,
        day=order.day,
        low=order.low,
        base=order.base,
        is_whole=order.known is None,
        identity=identity,
        checksums=now,
        warnings=[f"unknown: {one}" for one in order.references.unknown(tables)],
        quality=[
            f"duplicate: {t}.{key}" for t, keys in passage.scope.dropped.items() for key in keys
        ],
    )
    manifest.quality += compare(order.labels, read_labels(link, order.database, order.labels))
    describe(link, order, passage, manifest, tables=tables)
    pseudonyms = Pseudonyms(order.key)
    write_tables(link, passage, manifest, target, changed=changed, pseudonyms=pseudonyms)
    count(link, passage, manifest)
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(MANIFEST, json.dumps(vars(manifest)))
    return manifest


def is_unchanged(
    known: Mapping[str, Any], counters: Counters, database: str, quiet: Collection[str]
) -> bool:
    """Whether the server's counters prove that nothing has changed since `known` was noted."""
    if not known.get("counters") or known.get("mark") != counters.mark:
        return False
    return bool(counters.settled(database, quiet) == known["counters"])


def _counting(order: Order, tables: Mapping[str, Table]) -> dict[str, Table]:
    """Return the tables whose change is a village's change."""
    return {
        name: table
        for name, table in tables.items()
        if name == CONFIG or (order.references.is_village_table(table) and name in order.wanted)
    }
