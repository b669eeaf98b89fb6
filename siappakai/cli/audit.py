"""`siappakai audit`: who asked for what, when."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, TextIO, TypeVar

import click

from siappakai.cli.command import Group
from siappakai.cli.output import Column, Ended, Listing, listing
from siappakai.cli.paging import page_options
from siappakai.models import AuditEntry
from siappakai.services import audit as trail

_LENGTH = 50
_BROKEN = 1
_STANDARD_OUTPUT = "<stdout>"

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One deed."""

    id: Annotated[int, Column("Nomor", "its number", is_listed=False)]
    at: Annotated[datetime, Column("Waktu", "when")]
    actor: Annotated[str, Column("Pelaku", "who")]
    action: Annotated[str, Column("Tindakan", "dotted verb, such as village.register")]
    subject: Annotated[str, Column("Sasaran", "to what")]
    detail: Annotated[dict[str, Any], Column("Rincian", "more of it; never a secret")]


@dataclass(frozen=True, slots=True)
class ChainRecord:
    """What a look at the whole trail found."""

    entries: Annotated[int, Column("Catatan", "how many entries the trail has")]
    hash: Annotated[str, Column("Hash akhir", "hash of the last; note it elsewhere to compare")]
    whole: Annotated[bool, Column("Utuh", "whether every entry is as it was written")]
    broken_at: Annotated[
        int | None, Column("Rusak pada", "number of the first entry that is not; null for none")
    ]
    problem: Annotated[str, Column("Masalah", "changed or missing; empty when whole")]


@dataclass(frozen=True, slots=True)
class AuditExport:
    """A file of JSON lines that was written."""

    file: Annotated[str, Column("Berkas", "its path")]
    entries: Annotated[int, Column("Catatan", "how many entries it holds")]


def _filters(function: F) -> F:
    for option in (
        click.option("--subject", default="", help="Part of the subject."),
        click.option("--action", default="", help="Beginning of the verb."),
        click.option("--actor", default="", help="Who, in full."),
    ):
        function = option(function)
    return function


audit = Group("audit", help="The audit trail.")


@audit.command("list", example="siappakai audit list --actor cli:root --action village.")
@_filters
@page_options(per_page=_LENGTH)
def list_entries(
    actor: str, action: str, subject: str, page: int, per_page: int
) -> Listing[AuditRecord]:
    """List what was done, newest first."""
    found = trail.list_entries(
        actor=actor, action=action, subject=subject, page=page, per_page=per_page
    )
    return listing(found, _record)


@audit.command("export", example="siappakai audit export audit.jsonl --action site.")
@click.argument("file", type=click.File("w", lazy=False))
@_filters
def export_entries(file: TextIO, actor: str, action: str, subject: str) -> AuditExport:
    """Write the trail to a file, oldest first, one JSON object a line; `-` prints it.

    The objects are AuditRecords and the `hash` by which an entry is chained to the one before.
    """
    count = 0
    for entry in trail.export_entries(actor=actor, action=action, subject=subject):
        line = asdict(_record(entry)) | {"at": entry.at.isoformat(), "hash": entry.hash}
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
        count += 1
    if file.name == _STANDARD_OUTPUT:
        click.get_current_context().exit()
    return AuditExport(file.name, count)


@audit.command("verify", example="siappakai audit verify")
def verify() -> Ended[ChainRecord]:
    """Look whether the trail is as it was written; ends with code 1 when it is not."""
    found = trail.verify()
    broken = found.broken
    record = ChainRecord(
        entries=found.length,
        hash=found.end,
        whole=broken is None,
        broken_at=broken.number if broken else None,
        problem=("missing" if broken.is_missing else "changed") if broken else "",
    )
    return Ended(record, _BROKEN if broken else 0)


def _record(entry: AuditEntry) -> AuditRecord:
    return AuditRecord(
        entry.id, entry.at, entry.actor, entry.action, entry.subject, dict(entry.detail)
    )
