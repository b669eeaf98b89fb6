"""Pruning a store that keeps all it has: what is due there, and doing it with other credentials."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace

from sqlalchemy import func

from siappakai.domain.backups import CopyState
from siappakai.domain.servers import check_user
from siappakai.domain.stores import (
    DeletionRefusedError,
    S3Place,
    SftpPlace,
    StoreKind,
    Vault,
)
from siappakai.models import BackupCopy, Store, db
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit, copies, stores
from siappakai.services.errands import stored_name
from siappakai.services.letting_go import kept_back


@dataclass(frozen=True, slots=True)
class Pruner:
    """Who may delete in a store; used once and kept nowhere.

    `login` is an access key or an account, `secret` that key's secret or the account's private
    SSH key. `folder` is where the store lies for that account, as the panel sees it when empty.
    """

    login: str
    secret: str
    folder: str = ""


def due(store: Store) -> list[BackupCopy]:
    """Return the copies in a store that the rules let go, oldest first."""
    query = copies.of_stores().where(BackupCopy.store_id == store.id, copies.expired())
    return list(db.session.scalars(query.order_by(BackupCopy.id)))


def due_counts() -> Counter[int]:
    """Return how many copies are due in each store that keeps all it has, by its id."""
    # Named, none as a rule: what was let go is looked for in these alone.
    keeping = [store.id for store in stores.list_stores() if store.is_append_only]
    query = copies.in_stores(BackupCopy.store_id).add_columns(func.count())
    query = query.where(copies.expired(), BackupCopy.store_id.in_(keeping))
    return Counter(dict(db.session.execute(query.group_by(BackupCopy.store_id)).all()))


def prune(store: Store, pruner: Pruner, *, by: str) -> int:
    """Delete what is due in a store as somebody who may; return how much.

    Raises InvalidInputError naming the field, RefusedError naming what the store keeps back when
    the rest is deleted, and the errors of the store.
    """
    going = [(copy.id, stored_name(copy.backup)) for copy in due(store)]
    kind, name, place = store.kind, store.name, _as_seen_by(pruner, store)
    db.session.commit()
    is_bucket = kind is StoreKind.S3
    secret, key = (pruner.secret, "") if is_bucket else ("", pruner.secret)
    timeout = current_settings().ssh_timeout_seconds
    with stores.open_place(kind, place, secret, key, timeout) as vault:
        stores.recognise(vault, store)
        refused = [name for copy_id, name in going if not _is_deleted(vault, copy_id, name)]
    count = len(going) - len(refused)
    with transaction():
        audit.record("store.prune", name, by=by, detail={"count": count, "as": pruner.login})
    if refused:
        raise kept_back(name, refused)
    return count


def _is_deleted(vault: Vault, copy_id: int, stored: str) -> bool:
    """Delete a copy; tell whether the store let go of it."""
    try:
        vault.delete(stored)
    except DeletionRefusedError:
        return False
    copies.mark(copy_id, CopyState.DELETED)
    return True


def _as_seen_by(pruner: Pruner, store: Store) -> dict[str, str | int]:
    if store.kind is StoreKind.S3:
        bucket = S3Place(**store.place)
        return asdict(replace(bucket, access_key=pruner.login))
    folder = SftpPlace(**store.place)
    user = check_user(pruner.login)
    return asdict(replace(folder, user=user, folder=pruner.folder or folder.folder).checked())
