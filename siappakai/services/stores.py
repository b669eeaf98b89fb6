"""Stores of backups: made known, opened, removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

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
from siappakai.services import audit, copies, keys, store_marks
from siappakai.services.enrolment import inspect_host
from siappakai.ssh import Login, changed_host_key, connect
from siappakai.ssh.sftp import open_folder
from siappakai.wording import say


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

    Raises NotFoundError, RefusedError while it has the only copy of a backup that can be had.
    """
    with transaction() as session:
        _one_at_a_time(session)
        store = get_store(name)
        alone = _only_copies(store)
        if alone:
            raise RefusedError(
                say(
                    "Hanya %(name)s yang kini dapat memberikan %(count)s cadangan.",
                    name=store.name,
                    count=alone,
                ),
                say(
                    "Tambahkan penyimpanan lain atau perbaiki yang bermasalah, dan tunggu sampai"
                    " semuanya tersalin."
                ),
            )
        store.removed_at, store.secret_sealed, store.mark = utc_now(), "", None
        store.name = f"{store.name} #{store.id}"
        _leave_behind(session, store.id)
        audit.record("store.remove", name, by=by)
        return store


@contextmanager
def open_vault(store: Store) -> Iterator[Vault]:
    """Open a store; raises the errors of reaching it."""
    secret, private_key = secret_of(store), ""
    if store.kind is StoreKind.SFTP:
        private_key = keys.private_key_text()
    timeout = current_settings().ssh_timeout_seconds
    with open_place(store.kind, store.place, secret, private_key, timeout) as vault:
        yield vault


def secret_of(store: Store) -> str:
    """Return what opens a store besides the panel's key, unsealed; nothing for most."""
    if not store.secret_sealed:
        return ""
    return load_key_ring(current_settings().credentials_file).unseal(store.secret_sealed)


@contextmanager
def open_place(
    kind: StoreKind, place: dict[str, Any], secret: str, private_key: str, timeout: float
) -> Iterator[Vault]:
    """Open a store by what is known of it alone; raises the errors of reaching it."""
    if kind is StoreKind.S3:
        with open_bucket(S3Place(**place), secret, timeout) as bucket:
            yield bucket
        return
    sftp = SftpPlace(**place)
    pinned = HostKey.parse(sftp.host_key)
    login = Login(sftp.address, sftp.port, sftp.user, pinned, private_key=private_key)
    with connect(login, timeout) as connection, open_folder(connection, sftp.folder) as folder:
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
    with open_vault(store) as vault:
        store.mark = store_marks.leave(vault, name)
        _refuse_same(store.mark)
        store.is_append_only = not store_marks.can_delete(vault)
    with transaction() as session:
        _one_at_a_time(session)
        _refuse_second(name)
        _refuse_same(store.mark)
        session.add(store)
        session.flush()
        # What is still on a server, or in another store, is brought to it as well.
        copies.provide(session, store.id)
        audit.record("store.add", name, by=by, detail={"kind": kind.value})
        return store


def _refuse_second(name: str) -> None:
    if db.session.scalar(select(Store.id).where(Store.name == name)) is not None:
        raise ConflictError(
            say("Penyimpanan “%(name)s” sudah ada.", name=name), say("Pilih nama lain.")
        )


def _refuse_same(mark: str) -> None:
    """Raise ConflictError for a store that is known already, under whatever name."""
    known = db.session.scalar(select(Store.name).where(Store.mark == mark))
    if known is not None:
        raise ConflictError(
            say("Itu penyimpanan yang sama dengan “%(name)s”.", name=known),
            say("Pakai yang sudah ada, atau tunjuk folder atau ember lain."),
        )


def recognise(vault: Vault, store: Store) -> None:
    """Make sure that an open store is the one it was; raises RefusedError when it is not."""
    store_marks.recognise(vault, store.name, store.mark)


def set_append_only(store_id: int, *, on: bool, by: str) -> Store:
    """Note that a store keeps all it has, or that the panel may delete there."""
    with transaction() as session:
        store = session.get_one(Store, store_id)
        if store.is_append_only != on:
            store.is_append_only = on
            audit.record("store.append_only", store.name, by=by, detail={"on": on})
        return store


def _one_at_a_time(session: Session) -> None:
    """Wait for others who add or remove a store: each decides by what all of them have."""
    session.execute(select(Store.id).order_by(Store.id).with_for_update())


def _leave_behind(session: Session, store_id: int) -> None:
    """Note of all copies in a store that they count no more, in as few statements as can be."""
    here = BackupCopy.store_id == store_id
    session.execute(delete(BackupCopy).where(here, BackupCopy.state == CopyState.WAITING))
    others = BackupCopy.state != CopyState.DELETED
    session.execute(update(BackupCopy).where(here, others).values(state=CopyState.LEFT))


def _only_copies(store: Store) -> int:
    """Return how many backups no other store has that works now; what was let go left out."""
    stored = select(BackupCopy.backup_id).join(BackupCopy.backup)
    stored = stored.where(BackupCopy.state == CopyState.STORED, Backup.expired_at.is_(None))
    here = set(db.session.scalars(stored.where(BackupCopy.store_id == store.id)))
    working = stored.join(BackupCopy.store).where(Store.failing_since.is_(None))
    elsewhere = set(db.session.scalars(working.where(BackupCopy.store_id != store.id)))
    return len(here - elsewhere)
