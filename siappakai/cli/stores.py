"""`siappakai store`: where backups are kept. Secrets come by standard input, never as words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TextIO

import click

from siappakai.cli.asking import agree, password, password_stdin_option, yes_option
from siappakai.cli.command import Group
from siappakai.cli.context import actor
from siappakai.cli.enrolment import confirmed_fingerprint
from siappakai.cli.output import Column, Listing
from siappakai.domain.stores import S3Place, StoreKind
from siappakai.models import Store
from siappakai.services import store_pruning, stores
from siappakai.services.errands import stored_name


@dataclass(frozen=True, slots=True)
class StoreRecord:
    """Where backups are kept; never what opens it."""

    name: Annotated[str, Column("Penyimpanan", "its name")]
    kind: Annotated[str, Column("Jenis", "sftp or s3")]
    where: Annotated[str, Column("Tempat", "machine and folder, or service and bucket")]
    append_only: Annotated[bool, Column("Hanya menambah", "whether it keeps all it has")]
    due: Annotated[
        int, Column("Untuk dipangkas", "copies the rules let go that the store's own side keeps")
    ]
    failing_since: Annotated[
        datetime | None, Column("Gagal sejak", "since when it cannot be used, or null")
    ]
    failure: Annotated[str, Column("Sebab", "why it cannot be used")]


@dataclass(frozen=True, slots=True)
class DueRecord:
    """A copy that the rules let go."""

    name: Annotated[str, Column("Berkas", "its name, from the store's folder or prefix")]
    size: Annotated[int, Column("Bita", "bytes of the file")]
    expired_at: Annotated[datetime | None, Column("Dilepas", "when the rules let it go")]


@dataclass(frozen=True, slots=True)
class PrunedRecord:
    """A store that was pruned."""

    name: Annotated[str, Column("Penyimpanan", "its name")]
    deleted: Annotated[int, Column("Dihapus", "how many copies are gone from it")]


store = Group("store", help="Where backups are kept.")


@store.command("list", example="siappakai store list")
def list_stores() -> Listing[StoreRecord]:
    """List the stores by name."""
    return Listing.of(store_record(one) for one in stores.list_stores())


@store.command(
    "add-folder",
    example="siappakai store add-folder gudang 192.0.2.30 --user cadangan --folder siappakai",
)
@click.argument("name")
@click.argument("address")
@click.option("--port", type=int, default=22, show_default=True, help="SSH port.")
@click.option("--user", required=True, help="Account that takes the panel's key (server key).")
@click.option("--folder", required=True, help="Folder, from the account's home or absolute.")
@click.option("--fingerprint", help="Confirmed fingerprint; shown and asked for otherwise.")
def add_sftp(
    name: str, address: str, *, port: int, user: str, folder: str, fingerprint: str | None
) -> StoreRecord:
    """Keep backups in a folder on another machine; it is tried out first."""
    added = stores.add_sftp(
        name=name,
        address=address,
        port=port,
        user=user,
        folder=folder,
        fingerprint=fingerprint or confirmed_fingerprint(address, port),
        by=actor(),
    )
    return store_record(added)


@store.command(
    "add-bucket",
    example="siappakai store add-bucket awan https://s3.contoh.id --bucket cadangan"
    " --access-key AKIA --password-stdin",
)
@click.argument("name")
@click.argument("endpoint")
@click.option("--bucket", required=True, help="Name of the bucket, which must be there.")
@click.option("--region", default="", help="Region, where the service asks for one.")
@click.option("--prefix", default="", help="What the names in the bucket begin with.")
@click.option("--access-key", required=True, help="Access key; its secret is asked for.")
@password_stdin_option
def add_s3(
    name: str,
    endpoint: str,
    *,
    bucket: str,
    region: str,
    prefix: str,
    access_key: str,
    password_stdin: bool,
) -> StoreRecord:
    """Keep backups in an S3-compatible bucket; it is tried out first."""
    secret = password(f"Kunci rahasia {access_key}", from_stdin=password_stdin)
    place = S3Place(endpoint, bucket, region, prefix, access_key)
    return store_record(stores.add_s3(name=name, place=place, secret=secret, by=actor()))


@store.command("remove", changes=True, example="siappakai store remove gudang --yes")
@click.argument("name")
@yes_option
def remove_store(name: str, *, yes: bool) -> StoreRecord:
    """Forget a store; what lies in it stays there."""
    found = stores.get_store(name)
    agree(f"Lupakan penyimpanan {found.name}?", yes=yes)
    return store_record(stores.remove_store(name, by=actor()))


@store.command("append-only", changes=True, example="siappakai store append-only awan")
@click.argument("name")
@click.option("--off", is_flag=True, help="The panel's credentials may delete there after all.")
def append_only(name: str, *, off: bool) -> StoreRecord:
    """Never delete in a store with the panel's credentials; noticed by itself as a rule.

    What the rules let go is listed by `store due` and deleted from the store's own side, which
    the next copying notices, or by `store prune`.
    """
    found = stores.get_store(name)
    return store_record(stores.set_append_only(found.id, on=not off, by=actor()))


@store.command("due", example="siappakai store due awan --json")
@click.argument("name")
def due(name: str) -> Listing[DueRecord]:
    """List the files that may be deleted in a store, for whoever may do so there."""
    return Listing.of(
        DueRecord(stored_name(one.backup), one.backup.size, one.backup.expired_at)
        for one in store_pruning.due(stores.get_store(name))
    )


@store.command("prune", example="siappakai store prune awan --login PRUNER --secret-file -")
@click.argument("name")
@click.option("--login", required=True, help="Access key, or account, that may delete there.")
@click.option(
    "--secret-file",
    type=click.File("r"),
    required=True,
    help="Secret of the key, or private SSH key of the account; - for standard input. Kept"
    " nowhere.",
)
@click.option("--folder", default="", help="Where the store lies for that account.")
@yes_option
def prune(name: str, *, login: str, secret_file: TextIO, folder: str, yes: bool) -> PrunedRecord:
    """Delete in a store what the rules let go, with credentials that the panel has not."""
    found = stores.get_store(name)
    pruner = store_pruning.Pruner(login, secret_file.read().strip(), folder)
    count = len(store_pruning.due(found))
    agree(f"Hapus {count} cadangan lama di {found.name}?", yes=yes)
    return PrunedRecord(name, store_pruning.prune(found, pruner, by=actor()))


def store_record(found: Store) -> StoreRecord:
    place = found.place
    where = (
        f"{place['endpoint']}/{place['bucket']}"
        if found.kind is StoreKind.S3
        else f"{place['user']}@{place['address']}:{place['folder']}"
    )
    return StoreRecord(
        name=found.name,
        kind=found.kind.value,
        where=where,
        append_only=found.is_append_only,
        due=len(store_pruning.due(found)) if found.is_append_only else 0,
        failing_since=found.failing_since,
        failure=found.failure,
    )
