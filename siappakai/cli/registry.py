"""`siappakai registry`: the database behind everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from siappakai.cli.command import Group
from siappakai.cli.context import settings
from siappakai.cli.output import Column
from siappakai.models.migrating import registry_revisions, upgrade_registry
from siappakai.services import keys


@dataclass(frozen=True, slots=True)
class RegistryRecord:
    """The schema of the registry."""

    before: Annotated[str, Column("Sebelumnya", "revision it had; empty when it was new")]
    revision: Annotated[str, Column("Sekarang", "revision it has")]


registry = Group("registry", help="The database behind everything.")


@registry.command("upgrade", example="siappakai registry upgrade")
def upgrade() -> RegistryRecord:
    """Bring the schema of the registry up to date; a second time changes nothing."""
    before, _head = registry_revisions()
    upgrade_registry(settings())
    keys.ensure_key_ring()
    now, _head = registry_revisions()
    return RegistryRecord(before, now)
