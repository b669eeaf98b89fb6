"""`siappakai registry`: the database behind everything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import click

from siappakai.cli.asking import agree, yes_option
from siappakai.cli.command import Group
from siappakai.cli.context import actor, settings
from siappakai.cli.output import Column, Ended, Listing
from siappakai.models.migrating import registry_revisions, upgrade_registry
from siappakai.services import keys, registry_backups, rotation, stores


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


@dataclass(frozen=True, slots=True)
class WrittenRecord:
    """What became of a backup of the registry in one store."""

    store: Annotated[str, Column("Penyimpanan", "name of the store")]
    ok: Annotated[bool, Column("Tersimpan", "whether it is there, read back and compared")]
    problem: Annotated[str, Column("Sebab", "why not, and what to do; empty when it is")]


@dataclass(frozen=True, slots=True)
class RegistryBackupRecord:
    """A backup of the registry in one store."""

    name: Annotated[str, Column("Berkas", "its name in the store's folder registry/")]
    store: Annotated[str, Column("Penyimpanan", "name of the store")]
    taken_at: Annotated[datetime, Column("Dibuat", "when it was taken")]
    size: Annotated[int, Column("Bita", "bytes of the sealed file")]
    sha256: Annotated[str, Column("SHA-256", "of the sealed file", is_listed=False)]


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


@registry.command("backup", example="siappakai registry backup")
def back_up() -> Ended[Listing[WrittenRecord]]:
    """Back the registry up to all stores now; the clock does it each night by itself.

    It is sealed for the recovery key, as backups of villages are. Exit code 1: some store has it
    not.
    """
    written = registry_backups.back_up(by=actor())
    shown = [
        WrittenRecord(one.store, one.problem is None, str(one.problem or "")) for one in written
    ]
    return Ended(Listing.of(shown), 0 if all(one.ok for one in shown) else 1)


@registry.command("list", example="siappakai registry list")
@click.option("--store", "store_name", help="Name of one store.")
def list_backups(store_name: str | None) -> Listing[RegistryBackupRecord]:
    """List the backups of the registry that are in the stores, newest first."""
    found = registry_backups.list_copies(stores.get_store(store_name) if store_name else None)
    return Listing.of(
        RegistryBackupRecord(one.name, one.store.name, one.taken_at, one.size, one.sha256)
        for one in found
    )
