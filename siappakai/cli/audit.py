"""`siappakai audit`: who asked for what, when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import click

from siappakai.cli.command import Group
from siappakai.cli.output import Column, Listing, listing
from siappakai.cli.paging import page_options
from siappakai.models import AuditEntry
from siappakai.services import audit as trail

_LENGTH = 50


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One deed."""

    id: Annotated[int, Column("Nomor", "its number", is_listed=False)]
    at: Annotated[datetime, Column("Waktu", "when")]
    actor: Annotated[str, Column("Pelaku", "who")]
    action: Annotated[str, Column("Tindakan", "dotted verb, such as village.register")]
    subject: Annotated[str, Column("Sasaran", "to what")]
    detail: Annotated[dict[str, Any], Column("Rincian", "more of it; never a secret")]


audit = Group("audit", help="The audit trail.")


@audit.command("list", example="siappakai audit list --actor cli:root --action village.")
@click.option("--actor", default="", help="Who, in full.")
@click.option("--action", default="", help="Beginning of the verb.")
@click.option("--subject", default="", help="Part of the subject.")
@page_options(per_page=_LENGTH)
def list_entries(
    actor: str, action: str, subject: str, page: int, per_page: int
) -> Listing[AuditRecord]:
    """List what was done, newest first."""
    found = trail.list_entries(
        actor=actor, action=action, subject=subject, page=page, per_page=per_page
    )
    return listing(found, _record)


def _record(entry: AuditEntry) -> AuditRecord:
    return AuditRecord(
        entry.id, entry.at, entry.actor, entry.action, entry.subject, dict(entry.detail)
    )
