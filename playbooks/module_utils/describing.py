"""What is in a village's database, counted where it lies: the expectation of the merge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from . import figures
from .consents import MASKED, WITHHELD, Consent
from .manifests import SLOT_SIZE
from .outcome import Refusal
from .references import CONFIG
from .relations import Passage, Scope, without_lost
from .resolving import embedded_counts, reference_counts
from .schemas import Table, quoted

if TYPE_CHECKING:
    from .driver import Link
    from .manifests import Manifest, Order


def read_identity(
    link: Link, order: Order, tables: Mapping[str, Table]
) -> tuple[int, dict[str, str | None]]:
    """Return the village's own config_id and its row of `config`."""
    if CONFIG not in tables:
        raise _not_the_village(order, "there is no table config")
    columns = [name for name in order.wanted[CONFIG].columns if name in tables[CONFIG].columns]
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(order.database)}.config"
            " WHERE kode_desa = %s",
            (order.code,),
        )
        rows = cursor.fetchall()
    if len(rows) != 1:
        raise _not_the_village(order, f"config has {len(rows)} rows of {order.code}")
    told = dict(zip(columns, rows[0], strict=True))
    config_id = int(told.pop("id"))
    told.pop("app_key", None)
    return config_id, {name: None if one is None else str(one) for name, one in told.items()}


def _not_the_village(order: Order, reason: str) -> Refusal:
    return Refusal(
        "not_the_village",
        f"The database {order.database} is not that of village {order.code}: {reason}."
        " Mend the village's identity in OpenSID, then merge again.",
        database=order.database,
        village=order.code,
        reason=reason,
    )


def passage_of(link: Link, order: Order, tables: Mapping[str, Table], config_id: int) -> Passage:
    """Return the way of the village's rows, with what does not take it."""
    consent = Consent(order.shares, order.references)
    mine = {
        name: table
        for name, table in tables.items()
        if order.references.is_village_table(table) and name in order.wanted
    }
    gone = consent.withheld({name: order.wanted[name] for name in mine})
    scope = Scope(
        order.database,
        config_id,
        mine,
        order.references,
        gone,
        low=order.low,
        high=order.low + order.slots * SLOT_SIZE,
        is_mixed=order.is_mixed,
    )
    dropped = {name: keys for name in mine if (keys := _duplicates(link, order, scope, name))}
    only = without_lost(scope, consent, order.wanted)
    scope = replace(scope, dropped=dropped, only=only)
    return Passage(scope, order.becomes, order.shift, order.wanted, consent)


def _duplicates(link: Link, order: Order, scope: Scope, table: str) -> list[int]:
    """Return the keys of rows that the gabungan's unique keys would refuse; the first one stays."""
    key = order.references.key_of(table)
    kind = scope.tables[table].columns.get(key)
    if table in scope.gone or kind is None or "int" not in kind.type:
        return []
    found: set[int] = set()
    for columns in order.wanted[table].unique.values():
        own = [one for one in columns if one != "config_id"]
        if not own or key in own or not set(own) <= scope.tables[table].columns.keys():
            continue
        filled = " AND ".join(f"t.{quoted(one)} IS NOT NULL" for one in own)
        same = " AND ".join(f"o.{quoted(one)} = t.{quoted(one)}" for one in own)
        groups = ", ".join(f"t.{quoted(one)}" for one in own)
        where = f"{scope.where(table)} AND {filled}"
        with link.cursor() as cursor:
            cursor.execute(
                f"SELECT o.{quoted(key)} FROM {scope.name(table)} o JOIN"
                f" (SELECT MIN(t.{quoted(key)}) AS first, {groups} FROM {scope.name(table)} t"
                f" WHERE {where} GROUP BY {groups} HAVING COUNT(*) > 1) t"
                f" ON {same} AND o.{quoted(key)} > t.first WHERE {scope.where(table, 'o')}"
            )
            found |= {int(row[0]) for row in cursor.fetchall()}
    return sorted(found)


def refuse_too_large(link: Link, order: Order, passage: Passage) -> None:
    """Refuse ids that would reach into the next village's numbers."""
    limit, greatest = passage.scope.high, 0
    for table, known in passage.scope.tables.items():
        key = order.references.key_of(table)
        if key not in known.columns or "int" not in known.columns[key].type:
            continue
        with link.cursor() as cursor:
            cursor.execute(
                f"SELECT MAX(t.{quoted(key)}) FROM {passage.scope.name(table)} t"
                f" WHERE {passage.scope.where(table)}"
            )
            greatest = max(greatest, int((cursor.fetchone() or (0,))[0] or 0))
    if greatest >= limit:
        raise Refusal(
            "slot_too_small",
            f"The ids of village {order.code} go up to {greatest}, and its place in the gabungan"
            f" ends at {limit - 1}. A larger place is set aside if there is one: look at the"
            " gabungan's status, then merge it again.",
            slots=(greatest - passage.scope.low) // SLOT_SIZE + 1,
            greatest=greatest,
        )


def describe(
    link: Link,
    order: Order,
    passage: Passage,
    manifest: Manifest,
    *,
    tables: Mapping[str, Table],
) -> None:
    """Note for every table of the source what becomes of it, counted without the map's help."""
    for name, table in tables.items():
        if name in order.references.regency_wide or name == CONFIG:
            continue
        rows = _count_rows(link, order, table, passage.scope.config_id)
        if name in passage.scope.gone:
            known = order.references.is_known(order.wanted[name])
            state, expected = "withheld" if known else "unknown", 0
        elif name in passage.scope.tables:
            state = "unchanged"
            expected = _count_expected(link, passage, name)
        else:
            state = _absent(order, name)
            # Known and not there: somebody dropped it in the gabungan, so its rows are missing.
            expected = rows if state == "missing" else 0
        if rows or state != "unknown":
            left = _count_left(link, passage, name) if state == "unchanged" else rows
            told = {"state": state, "source": rows, "expected": expected, "left": left}
            manifest.tables[name] = told
        missing = (
            set(table.columns) - set(order.wanted[name].columns) if name in order.wanted else ()
        )
        manifest.warnings += [f"not in the gabungan: {name}.{one}" for one in sorted(missing)]


def _absent(order: Order, table: str) -> str:
    """Return what becomes of a table that the gabungan does not have."""
    if table in order.references.left_out:
        return "left_out"
    return "missing" if table in order.references.groups else "unknown"


def _count_rows(link: Link, order: Order, table: Table, config_id: int) -> int:
    """Count what the source has, by nothing but its config_id."""
    own = f" WHERE config_id = {config_id}" if "config_id" in table.columns else ""
    with link.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {quoted(order.database)}.{quoted(table.name)}{own}")
        return int((cursor.fetchone() or (0,))[0])


def _count_left(link: Link, passage: Passage, table: str) -> int:
    """Count the rows that stay behind: second ones of the same key, and what is withheld."""
    scope = passage.scope
    dropped = scope.dropped.get(table, ())
    conditions = [] if "config_id" in scope.tables[table].columns else [f"NOT {scope.owned(table)}"]
    if table in scope.only:
        key = f"t.{quoted(scope.references.key_of(table))}"
        kept = f" AND {key} NOT IN ({', '.join(map(str, dropped))})" if dropped else ""
        only = scope.only[table].replace("{t}", "t")
        conditions.append(f"({scope.owned(table)}{kept} AND NOT {only})")
    if not conditions:
        return len(dropped)
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM {scope.name(table)} t WHERE {' OR '.join(conditions)}"
        )
        return len(dropped) + int((cursor.fetchone() or (0,))[0])


def _count_expected(link: Link, passage: Passage, table: str) -> int:
    with link.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM {passage.scope.name(table)} t WHERE {passage.scope.where(table)}"
        )
        return int((cursor.fetchone() or (0,))[0])


def count(link: Link, passage: Passage, manifest: Manifest) -> None:
    """Count in the source what the gabungan must show."""
    scope = passage.scope
    present = [name for name in scope.tables if name not in scope.gone]
    counts = {
        name: [0, 0, 0] if _refers_to_gone(scope, name) else count
        for name, count in reference_counts(link, scope, present).items()
    }
    blanked = {
        f"{table}.{column}>"
        for table in present
        for column, mask in passage.consent.masks(table).items()
        if mask == "blank"
    }
    # Numbers of what is withheld stay where they stand in JSON; they find nothing.
    counts |= embedded_counts(link, scope, present)
    for name, (inside, found, beyond) in counts.items():
        if name.partition(">")[0] + ">" not in blanked:
            # What points beyond the village finds nothing there, and shall not elsewhere.
            manifest.references[name] = [inside, found, 0]
            manifest.quality += [f"beyond: {name} {beyond}"] if beyond else []
    manifest.statistics = figures.statistics(link, scope, manifest.day, shift=scope.low)
    _leave_out_incomparable(passage, manifest)


def _refers_to_gone(scope: Scope, name: str) -> bool:
    """Tell whether what a reference refers to is withheld: it is empty in the gabungan."""
    return name.partition(">")[2].partition("[")[0] in scope.gone


def _leave_out_incomparable(passage: Passage, manifest: Manifest) -> None:
    """Aid is joined by NIK: pseudonyms on one side alone match nothing."""
    sides = ("tweb_penduduk", "tweb_keluarga", "program_peserta")
    is_masked = {
        passage.consent.of(one) == MASKED for one in sides if passage.consent.of(one) != WITHHELD
    }
    # What the village has no column for is whatever the gabungan puts there by itself.
    has = (
        passage.scope.tables["tweb_penduduk"].columns
        if "tweb_penduduk" in passage.scope.tables
        else {}
    )
    manifest.not_comparable += [name for name in figures.CATEGORIES if name not in has]
    if len(is_masked) > 1:
        manifest.not_comparable.append("bantuan")
    if passage.consent.of("tweb_penduduk") == MASKED:
        # A birthday that is only a year gives another age; a blank deed is none.
        manifest.not_comparable += ["umur", "akta_lahir"]
