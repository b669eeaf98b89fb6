"""`siappakai store edit-folder|edit-bucket`: a store that moved, or is opened otherwise."""

from __future__ import annotations

import click

from siappakai.cli.asking import password, password_stdin_option
from siappakai.cli.context import actor
from siappakai.cli.enrolment import confirmed_fingerprint
from siappakai.cli.stores import StoreRecord, store, store_record
from siappakai.domain.stores import S3Place
from siappakai.services import store_changes, stores


@store.command("edit-folder", example="siappakai store edit-folder gudang --address 192.0.2.31")
@click.argument("name")
@click.option("--address", help="Its machine; the present one unless given.")
@click.option("--port", type=int, help="SSH port; the present one unless given.")
@click.option("--user", help="Account; the present one unless given.")
@click.option("--folder", help="Folder; the present one unless given.")
@click.option("--fingerprint", help="Confirmed fingerprint; shown and asked for otherwise.")
def edit_sftp(
    name: str,
    *,
    address: str | None,
    port: int | None,
    user: str | None,
    folder: str | None,
    fingerprint: str | None,
) -> StoreRecord:
    """Reach a folder elsewhere, or otherwise. It must be the same store, and is tried out first.

    A renewed host key of its machine is confirmed here, too.
    """
    known = stores.get_store(name).place
    where, there = address or known["address"], port or known["port"]
    changed = store_changes.change_sftp(
        name,
        address=where,
        port=there,
        user=user or known["user"],
        folder=folder or known["folder"],
        fingerprint=fingerprint or confirmed_fingerprint(where, there),
        by=actor(),
    )
    return store_record(changed)


@store.command(
    "edit-bucket",
    example="siappakai store edit-bucket awan --access-key AKIB --new-secret --password-stdin",
)
@click.argument("name")
@click.option("--endpoint", help="Service; the present one unless given.")
@click.option("--bucket", help="Bucket; the present one unless given.")
@click.option("--region", help="Region; the present one unless given.")
@click.option("--prefix", help="Prefix; the present one unless given.")
@click.option("--access-key", help="Access key; the present one unless given.")
@click.option("--new-secret", is_flag=True, help="Ask for another secret of the access key.")
@password_stdin_option
def edit_s3(
    name: str,
    *,
    endpoint: str | None,
    bucket: str | None,
    region: str | None,
    prefix: str | None,
    access_key: str | None,
    new_secret: bool,
    password_stdin: bool,
) -> StoreRecord:
    """Reach a bucket elsewhere, or with other keys. It must be the same store, and is tried out."""
    given = {
        "endpoint": endpoint,
        "bucket": bucket,
        "region": region,
        "prefix": prefix,
        "access_key": access_key,
    }
    known = stores.get_store(name).place
    place = S3Place(**{**known, **{key: one for key, one in given.items() if one is not None}})
    secret = password("Kunci rahasia", from_stdin=password_stdin) if new_secret else ""
    return store_record(store_changes.change_s3(name, place=place, secret=secret, by=actor()))
