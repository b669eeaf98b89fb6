"""One village's turn in a merge: look whether it changed, read it, put it into the gabungan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import merging, staging
from .book import Book
from .changes import Counters
from .exporting import export, is_unchanged, snapshot
from .fence import fenced, hold
from .gabungan import schema_version
from .manifests import SLOT_SIZE, Manifest, Order
from .outcome import Refusal

if TYPE_CHECKING:
    from .driver import Link
    from .labels import Labels
    from .outcome import Steps
    from .references import ReferenceMap
    from .schemas import Table
    from .variables import LayoutVars, MergeVars


@dataclass(frozen=True)
class Round:
    """What the villages of one call have in common.

    `wanted` are the gabungan's tables, `key` makes pseudonyms, `facts` is a checksum of the
    reference map. `is_whole` sends everything, whatever changed. `version` is that
    of its schema, `labels` what rows of the regency are called there.
    """

    layout: LayoutVars
    schema: str
    day: str
    key: str
    is_whole: bool
    wanted: Mapping[str, Table]
    references: ReferenceMap
    facts: str
    counters: Counters
    version: int
    labels: Labels

    @property
    def folder(self) -> Path:
        return Path(self.layout["root"], "gabungan")


def take_turn(link: Link, cycle: Round, village: MergeVars, steps: Steps) -> dict[str, Any]:
    """Merge a village if it changed; return what was done. `link` is one of `merging.writer`.

    One that is newer than the gabungan waits, and its rows there stay as they are.
    """
    with fenced(cycle.layout["lock_dir"], village["slug"], village["run_token"]):
        known = _known(link, cycle, village)
        quiet = cycle.references.volatile_tables
        if known and is_unchanged(known, cycle.counters, village["database"], quiet):
            return {"state": "unchanged"}
        file = cycle.folder / f"{village['slug']}.zip"
        try:
            with (
                steps.step("read") as step,
                snapshot(cycle.layout["db_socket"], village["database"]) as source,
            ):
                version = schema_version(source, village["database"])
                if 0 < cycle.version < version:
                    step.detail = f"waits: schema {version}, the gabungan has {cycle.version}"
                    return {"state": "waiting", "village": version, "gabungan": cycle.version}
                manifest = export(source, _order(cycle, village, known), file)
                step.detail = _read(manifest)
            if manifest is None:
                _remember(cycle, village, known)
                return {"state": "unchanged"}
            report = merging.merge(link, _merge_order(cycle, village, file), steps, cycle.wanted)
        except Refusal as problem:
            if problem.code == "reconciliation_failed":
                # What stands there is not what was merged last: the next turn replaces all of it.
                _note(cycle, village).unlink(missing_ok=True)
            raise
        finally:
            file.unlink(missing_ok=True)
        _remember(cycle, village, {"stamp": manifest.stamp, "checksums": manifest.checksums})
        return {"state": "merged", **report}


def sweep(link: Link, cycle: Round) -> None:
    """Remove what merges that were killed left behind: staged rows, and what was read."""
    staging.sweep(link, cycle.schema)
    for left in [*cycle.folder.glob("*.zip"), *cycle.folder.glob("*.partial")]:
        with suppress(Refusal), hold(cycle.layout["lock_dir"], left.stem, patience=0):
            left.unlink(missing_ok=True)


def _read(manifest: Manifest | None) -> str:
    """Say what was read of a village, and what of it nobody has said the meaning of."""
    if manifest is None:
        return "nothing changed"
    unknown = [name for name, told in manifest.tables.items() if told["state"] == "unknown"]
    left = f"; unknown, not merged: {', '.join(unknown)}" if unknown else ""
    return f"{len(manifest.sent)} tables{left}"


def _order(cycle: Round, village: MergeVars, known: Mapping[str, Any]) -> Order:
    return Order(
        database=village["database"],
        code=village["code"],
        becomes=village["config_id"],
        shift=village["slot"] * SLOT_SIZE,
        slots=village["slots"],
        shares=village["shares"],
        key=cycle.key,
        day=cycle.day,
        wanted=cycle.wanted,
        references=cycle.references,
        known=known.get("checksums"),
        base=known.get("stamp", ""),
        labels=cycle.labels,
    )


def _merge_order(cycle: Round, village: MergeVars, file: Path) -> merging.Order:
    return merging.Order(
        schema=cycle.schema,
        code=village["code"],
        token=village["run_token"],
        archive=file,
        shares=village["shares"],
        identity={name: str(told) for name, told in village["identity"].items()},
        references=cycle.references,
    )


def _known(link: Link, cycle: Round, village: MergeVars) -> dict[str, Any]:
    """Return what was noted of the last merge; nothing unless the gabungan still holds that."""
    try:
        noted: dict[str, Any] = json.loads(_note(cycle, village).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    stamp = Book(link, cycle.schema).stamp_of(village["code"])
    is_same = noted.get("stamp") == stamp and noted.get("rules") == _rules(cycle, village)
    return noted if stamp and is_same and not cycle.is_whole else {}


def _remember(cycle: Round, village: MergeVars, told: Mapping[str, Any]) -> None:
    """Note what the next look compares with, whole or not at all."""
    quiet = cycle.references.volatile_tables
    noted = {
        **told,
        "rules": _rules(cycle, village),
        "mark": cycle.counters.mark,
        "counters": cycle.counters.settled(village["database"], quiet),
    }
    note = _note(cycle, village)
    partial = note.with_suffix(".partial")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(noted))
    partial.replace(note)


def _note(cycle: Round, village: MergeVars) -> Path:
    return cycle.folder / f"{village['slug']}.json"


def _rules(cycle: Round, village: MergeVars) -> str:
    """Return a checksum of all that decides what is sent: when it changes, all is sent anew."""
    tables = {name: list(table.columns) for name, table in cycle.wanted.items()}
    rules = [village["shares"], village["slot"], village["slots"], cycle.key, tables]
    told = json.dumps([*rules, cycle.facts], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
