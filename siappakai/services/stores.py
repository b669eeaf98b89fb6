"""Stores of backups: made known, opened, removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from sqlalchemy import select

from siappakai.credentials import load_key_ring
from siappakai.domain.backups import CopyState
from siappakai.domain.hostkeys import HostKey
from siappakai.domain.servers import check_address, check_port, check_user
from siappakai.domain.stores import S3Place, SftpPlace, StoreKind, Vault, check_name
from siappakai.errors import ConflictError, NotFoundError, RefusedError, SiapPakaiError
from siappakai.gateways.s3 import open_bucket
from siappakai.models import Backup, BackupCopy, Store, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit, keys
from siappakai.services.enrolment import inspect_host
from siappakai.ssh import Login, changed_host_key, connect
from siappakai.ssh.sftp import open_folder
from siappakai.wording import say

_TRIAL = "siappakai-trial"


def list_stores() -> list[Store]:
    """Return the stores by name, those removed left out."""
    query = select(Store).where(Store.removed_at.is_(None)).order_by(Store.name)
    return list(db.session.scalars(query))


def get_store(name: str) -> Store:
    """Return the store called `name`; raises NotFoundError."""
    query = select(Store).where(Store.name == name, Store.removed_at.is_(None))
    store = db.session.scalar(query)
    if store is None:
        raise NotFoundError(
            say("Penyimpanan “%(name)s” tidak ada.", name=name),
            say("Lihat daftar penyimpanan."),
        )
    return store


def add_sftp(
    *, name: str, address: str, port: int, user: str, folder: str, fingerprint: str, by: str
) -> Store:
    """Keep backups in a folder of an account that the panel's public key opens.

    `fingerprint` is that of the machine's host key, which a person confirmed. The store is tried
    out first. Raises InvalidInputError naming the field, HostKeyChangedError, KeyRefusedError,
    UnreachableError, ConflictError for a name in use.
    """
    key = inspect_host(address, port)
    if key.fingerprint != fingerprint.strip():
        raise changed_host_key(address, fingerprint.strip(), key.fingerprint)
    place = SftpPlace(
        check_address(address), check_port(port, "port"), check_user(user), key.line, folder
    )
    return _add(name, StoreKind.SFTP, place.checked(), "", by=by)


def add_s3(*, name: str, place: S3Place, secret: str, by: str) -> Store:
    """Keep backups in a bucket; it is tried out first.

    Raises InvalidInputError naming the field, RefusedError, UnreachableError, ConflictError for
    a name in use.
    """
    return _add(name, StoreKind.S3, place.checked(), secret, by=by)


def remove_store(name: str, *, by: str) -> Store:
    """Forget a store; what lies in it stays there, and nothing is sent to it any more.

    Raises NotFoundError, RefusedError while it has the only copy of a backup.
    """
    with transaction() as session:
        store = get_store(name)
        alone = _only_copies(store)
        if alone:
            raise RefusedError(
                say(
                    "Hanya %(name)s yang menyimpan %(count)s cadangan.",
                    name=store.name,
                    count=alone,
                ),
                say("Tambahkan penyimpanan lain dan tunggu sampai semuanya tersalin."),
            )
        store.removed_at, store.secret_sealed = utc_now(), ""
        store.name = f"{store.name} #{store.id}"
        waiting = select(BackupCopy).where(
            BackupCopy.store_id == store.id, BackupCopy.state == CopyState.WAITING
        )
        for copy in session.scalars(waiting):
            session.delete(copy)
        audit.record("store.remove", name, by=by)
        return store


@contextmanager
def open_vault(store: Store) -> Iterator[Vault]:
    """Open a store; raises the errors of reaching it."""
    timeout = current_settings().ssh_timeout_seconds
    if store.kind is StoreKind.S3:
        secret = load_key_ring(current_settings().credentials_file).unseal(store.secret_sealed)
        with open_bucket(S3Place(**store.place), secret, timeout) as bucket:
            yield bucket
        return
    place = SftpPlace(**store.place)
    login = Login(
        place.address,
        place.port,
        place.user,
        HostKey.parse(place.host_key),
        private_key=keys.private_key_text(),
    )
    with connect(login, timeout) as connection, open_folder(connection, place.folder) as folder:
        yield folder


def note_state(store_id: int, problem: SiapPakaiError | None) -> None:
    """Note that a store works, or since when and why it does not."""
    with transaction() as session:
        store = session.get_one(Store, store_id)
        if problem is None:
            store.failing_since, store.failure = None, ""
        else:
            store.failing_since = store.failing_since or utc_now()
            store.failure = problem.told


def _add(name: str, kind: StoreKind, place: SftpPlace | S3Place, secret: str, *, by: str) -> Store:
    name = check_name(name)
    sealed = load_key_ring(current_settings().credentials_file).seal(secret) if secret else ""
    store = Store(name=name, kind=kind, place=asdict(place), secret_sealed=sealed)
    _refuse_second(name)
    _try_out(store)
    with transaction() as session:
        _refuse_second(name)
        session.add(store)
        session.flush()
        # What is still on a server, or in another store, is brought to it as well.
        session.add_all(
            BackupCopy(backup_id=backup_id, store_id=store.id)
            for backup_id in session.scalars(
                select(Backup.id).where(Backup.is_spooled, Backup.expired_at.is_(None))
            )
        )
        audit.record("store.add", name, by=by, detail={"kind": kind.value})
        return store


def _refuse_second(name: str) -> None:
    if db.session.scalar(select(Store.id).where(Store.name == name)) is not None:
        raise ConflictError(
            say("Penyimpanan “%(name)s” sudah ada.", name=name), say("Pilih nama lain.")
        )


def _try_out(store: Store) -> None:
    """Write, read and, where that is allowed, delete a small file."""
    text = b"SiapPakai\n"
    with open_vault(store) as vault:
        upload = vault.upload(_TRIAL, len(text))
        upload.write(text[upload.offset :])
        upload.finish()
        if b"".join(vault.read(_TRIAL)) != text:
            raise RefusedError(
                say("Penyimpanan itu tidak mengembalikan apa yang ditulis ke dalamnya."),
                say("Periksa layanannya, atau pilih penyimpanan lain."),
            )


def _only_copies(store: Store) -> int:
    """Return how many backups nobody else has."""
    stored = select(BackupCopy.backup_id).where(BackupCopy.state == CopyState.STORED)
    here = set(db.session.scalars(stored.where(BackupCopy.store_id == store.id)))
    elsewhere = set(db.session.scalars(stored.where(BackupCopy.store_id != store.id)))
    return len(here - elsewhere)
