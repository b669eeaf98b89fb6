"""A store that has moved, or is opened otherwise: still the same one, known by its mark."""

from __future__ import annotations

from dataclasses import asdict

from siappakai.credentials import load_key_ring
from siappakai.domain.hostkeys import HostKey
from siappakai.domain.servers import check_address, check_port, check_user
from siappakai.domain.stores import S3Place, SftpPlace, StoreKind
from siappakai.errors import InvalidInputError
from siappakai.models import Store
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit, store_marks, stores
from siappakai.services.enrolment import inspect_host
from siappakai.ssh import changed_host_key
from siappakai.wording import say


def fingerprint_of(store: Store) -> str:
    """Return the fingerprint of the host key that a folder's machine is known by."""
    return HostKey.parse(SftpPlace(**store.place).host_key).fingerprint


def change_sftp(
    name: str, *, address: str, port: int, user: str, folder: str, fingerprint: str, by: str
) -> Store:
    """Reach a folder at another address, by another account, or behind a renewed host key.

    `fingerprint` is that of the machine's host key, which a person confirmed. What lies there must
    be the same store. Raises InvalidInputError naming the field, RefusedError for another store,
    HostKeyChangedError, KeyRefusedError, UnreachableError, NotFoundError; nothing is changed then.
    """
    store = _of_kind(name, StoreKind.SFTP)
    key = inspect_host(address, port)
    if key.fingerprint != fingerprint.strip():
        raise changed_host_key(address, fingerprint.strip(), key.fingerprint)
    place = SftpPlace(
        check_address(address), check_port(port, "port"), check_user(user), key.line, folder
    )
    return _change(store, place.checked(), "", by=by)


def change_s3(name: str, *, place: S3Place, secret: str, by: str) -> Store:
    """Reach a bucket at another address or name, or with other keys; an empty secret stays.

    Raises InvalidInputError naming the field, RefusedError for another store, UnreachableError,
    NotFoundError; nothing is changed then.
    """
    store = _of_kind(name, StoreKind.S3)
    ring = load_key_ring(current_settings().credentials_file)
    sealed = ring.seal(secret) if secret else store.secret_sealed
    return _change(store, place.checked(), sealed, by=by)


def _change(store: Store, place: SftpPlace | S3Place, sealed: str, *, by: str) -> Store:
    name, mark = store.name, store.mark
    # Never added to the registry: what is tried before it takes the place of what is known.
    trial = Store(name=name, kind=store.kind, place=asdict(place), secret_sealed=sealed)
    with stores.open_vault(trial) as vault:
        store_marks.recognise(vault, name, mark)
        can_delete = store_marks.can_delete(vault)
    with transaction():
        found = stores.get_store(name)
        changed = sorted(key for key, value in trial.place.items() if found.place[key] != value)
        changed += ["secret"] if found.secret_sealed != sealed else []
        found.place, found.secret_sealed = trial.place, sealed
        found.is_append_only = found.is_append_only or not can_delete
        found.failing_since, found.failure = None, ""
        audit.record("store.change", name, by=by, detail={"changed": changed})
        return found


def _of_kind(name: str, kind: StoreKind) -> Store:
    store = stores.get_store(name)
    if store.kind is not kind:
        raise InvalidInputError(
            say("Penyimpanan “%(name)s” dari jenis lain.", name=name),
            say("Jenis sebuah penyimpanan tidak berubah; tambahkan yang lain."),
            field="name",
        )
    return store
