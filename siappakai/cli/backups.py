"""`siappakai backup`: take, prove and keep backups of villages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import click

from siappakai.cli.command import Group
from siappakai.cli.context import actor
from siappakai.cli.following import RunRecord, follow_option, requested
from siappakai.cli.output import Column, Ended, Listing, listing
from siappakai.cli.paging import page_options
from siappakai.cli.selection import selection_options, site_of, sites_selected
from siappakai.cli.servers import server_named
from siappakai.domain.codes import dotted
from siappakai.errors import InvalidInputError
from siappakai.models import Backup, utc_now
from siappakai.services import backup_keys, backup_pruning, backups
from siappakai.services.paging import MAX_PER_PAGE


@dataclass(frozen=True, slots=True)
class BackupRecord:
    """One backup of a village's site."""

    id: Annotated[int, Column("Nomor", "its number")]
    code: Annotated[str, Column("Kode", "kode desa of its village, dotted")]
    village: Annotated[str, Column("Desa", "name of its village")]
    name: Annotated[str, Column("Berkas", "what it is called in every store", is_listed=False)]
    taken_at: Annotated[datetime, Column("Dibuat", "when it was taken")]
    size: Annotated[int, Column("Bita", "bytes of the sealed file")]
    sha256: Annotated[str, Column("SHA-256", "of the sealed file", is_listed=False)]
    stores: Annotated[dict[str, str], Column("Penyimpanan", "state of its copy in each store")]
    proof: Annotated[str, Column("Pembuktian", "unproven, proven or failed")]
    proven_at: Annotated[datetime | None, Column("Terbukti", "when it was last proven")]
    residents: Annotated[
        int | None, Column("Penduduk", "residents the proof counted", is_listed=False)
    ]
    restore_seconds: Annotated[
        float | None,
        Column("Pulih (detik)", "how long the proof took to bring it from a store and restore it"),
    ]
    is_held: Annotated[bool, Column("Ditahan", "whether it is never let go")]


@dataclass(frozen=True, slots=True)
class PruneRecord:
    """A backup, and why it stays or goes."""

    id: Annotated[int, Column("Nomor", "its number")]
    village: Annotated[str, Column("Desa", "name of its village")]
    taken_at: Annotated[datetime, Column("Dibuat", "when it was taken")]
    goes: Annotated[bool, Column("Dipangkas", "whether it goes")]
    reason: Annotated[str, Column("Alasan", "the rule it falls under (Reason)")]


@dataclass(frozen=True, slots=True)
class RecoveryKey:
    """The key that opens all backups. Secret: it is shown this once and kept nowhere."""

    private: Annotated[str, Column("Kunci pemulihan", "the private key, in clear")]
    public: Annotated[str, Column("Kunci publik", "what backups are sealed for")]


backup = Group("backup", help="Backups of villages: taken, proven, kept.")


@backup.command("take", changes=True, example="siappakai backup take --server server1 --follow")
@selection_options
@click.option("--all", "is_all", is_flag=True, help="All sites of the fleet.")
@follow_option
def take(*, is_all: bool, follow: bool, **selection: Any) -> Ended[Listing[RunRecord]]:
    """Take backups; one run per server. Copies to the stores follow in runs of their own."""
    chosen = backups.all_site_ids() if is_all else [one.id for one in sites_selected(**selection)]
    return requested(backups.request_take(site_ids=chosen, by=actor()), follow=follow)


@backup.command("list", example="siappakai backup list 51.02.01.2001")
@click.argument("code", required=False)
@page_options(per_page=MAX_PER_PAGE)
def list_backups(code: str | None, page: int, per_page: int) -> Listing[BackupRecord]:
    """List backups, newest first; of one village, or all."""
    site_id = site_of(code).id if code else None
    found = backups.list_backups(site_id=site_id, page=page, per_page=per_page)
    return listing(found, _record)


@backup.command("verify", changes=True, example="siappakai backup verify --older-than 7 --follow")
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@click.option(
    "--older-than", type=int, help="Newest of each village last proven that many days ago."
)
@follow_option
def verify(
    ids: tuple[int, ...], *, older_than: int | None, follow: bool
) -> Ended[Listing[RunRecord]]:
    """Restore backups where they harm nobody, and count them; without ID, what is unproven.

    The newest of each village first, then those that have waited longest.
    """
    if ids and older_than is not None:
        raise InvalidInputError(
            "Sebutkan nomor cadangan atau --older-than, tidak keduanya.",
            "Pilih salah satu.",
            field="ids",
        )
    limit = None if older_than is None else utc_now() - timedelta(days=older_than)
    chosen = list(ids) or (
        backups.proof_queue() if limit is None else backups.unproven(proven_before=limit)
    )
    return requested(backups.request_prove(backup_ids=chosen, by=actor()), follow=follow)


@backup.command("copy", changes=True, example="siappakai backup copy server1 --follow")
@click.argument("name")
@follow_option
def copy(name: str, *, follow: bool) -> Ended[Listing[RunRecord]]:
    """Carry what waits on a server to the stores now; the clock does it by itself as well."""
    run = backups.request_copy(server_named(name), by=actor())
    return requested([run], follow=follow)


@backup.command("prune", changes=True, example="siappakai backup prune --dry-run")
def prune() -> Listing[PruneRecord]:
    """Let go what the rules do not keep; --dry-run shows what would go and why."""
    judged = backup_pruning.prune(by=actor())
    return Listing.of(
        PruneRecord(
            id=one.backup.id,
            village=one.backup.site.village.name,
            taken_at=one.backup.taken_at,
            goes=one.reason.may_go,
            reason=one.reason.value,
        )
        for one in judged
    )


@backup.command("hold", changes=True, example="siappakai backup hold 12")
@click.argument("id_", metavar="ID", type=int)
def hold(id_: int) -> BackupRecord:
    """Never let a backup go."""
    return _record(backups.set_held(id_, held=True, by=actor()))


@backup.command("release", changes=True, example="siappakai backup release 12")
@click.argument("id_", metavar="ID", type=int)
def release(id_: int) -> BackupRecord:
    """Leave a backup to the rules again."""
    return _record(backups.set_held(id_, held=False, by=actor()))


@backup.command("make-key", example="siappakai backup make-key")
@click.option("--replace", is_flag=True, help="Although there is one already.")
def recovery_key(*, replace: bool) -> RecoveryKey:
    """Make the recovery key and show it this once: print it, and keep it off the network."""
    private, public = backup_keys.make_recovery_key(replaces=replace, by=actor())
    return RecoveryKey(private, public)


@backup.command("prover", changes=True, example="siappakai backup prover server2 --follow")
@click.argument("name")
@click.option("--dismiss", is_flag=True, help="Let it prove no more; its key stays there.")
@follow_option
def appoint_prover(name: str, *, dismiss: bool, follow: bool) -> Ended[Listing[RunRecord]]:
    """Let a server prove backups; best one that holds no village."""
    server = server_named(name)
    if dismiss:
        backup_keys.dismiss_prover(server.id, by=actor())
        return requested([], follow=follow)
    return requested([backup_keys.appoint_prover(server.id, by=actor())], follow=follow)


def _record(found: Backup) -> BackupRecord:
    return BackupRecord(
        id=found.id,
        code=dotted(found.site.village.code),
        village=found.site.village.name,
        name=found.name,
        taken_at=found.taken_at,
        size=found.size,
        sha256=found.sha256,
        stores={copy.store.name: copy.state.value for copy in found.copies},
        proof=found.proof_state.value,
        proven_at=found.proven_at,
        residents=found.proof.get("residents"),
        restore_seconds=found.restore_seconds,
        is_held=found.is_held,
    )
