"""`siappakai registry`: the database behind everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from siappakai.cli.asking import agree, yes_option
from siappakai.cli.command import Group
from siappakai.cli.context import actor, settings
from siappakai.cli.output import Column
from siappakai.models.migrating import registry_revisions, upgrade_registry
from siappakai.services import keys, rotation


@dataclass(frozen=True, slots=True)
class RegistryRecord:
    """The schema of the registry."""

    before: Annotated[str, Column("Sebelumnya", "revision it had; empty when it was new")]
    revision: Annotated[str, Column("Sekarang", "revision it has")]


@dataclass(frozen=True, slots=True)
class RotationRecord:
    """A change of the key that seals the stored secrets."""

    resealed: Annotated[int, Column("Disegel ulang", "how many secrets it now seals")]
    resumed: Annotated[bool, Column("Dilanjutkan", "whether it finished one that was cut short")]


registry = Group("registry", help="The database behind everything.")


@registry.command("upgrade", example="siappakai registry upgrade")
def upgrade() -> RegistryRecord:
    """Bring the schema of the registry up to date; a second time changes nothing."""
    before, _head = registry_revisions()
    upgrade_registry(settings())
    keys.ensure_key_ring()
    now, _head = registry_revisions()
    return RegistryRecord(before, now)


@registry.command("rotate-key", example="siappakai registry rotate-key --yes")
@yes_option
def rotate_key(*, yes: bool) -> RotationRecord:
    """Seal every stored secret with a new key and drop the old one.

    Cut short, it is finished by calling it again. Backups of the registry made before need the
    old key: keep a copy of the key ring with them.
    """
    agree("Segel ulang semua rahasia dengan kunci baru?", yes=yes)
    done = rotation.rotate_key(by=actor())
    return RotationRecord(done.resealed, done.resumed)
