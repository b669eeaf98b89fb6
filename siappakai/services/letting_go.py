"""Deleting from a store what the rules let go. One thing it refuses keeps nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence

from siappakai.domain.backups import CopyState
from siappakai.domain.stores import DeletionRefusedError, Vault
from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.models import BackupCopy, Store, db
from siappakai.services import copies, store_marks, stores
from siappakai.services.errands import Errand
from siappakai.services.origins import Parcel
from siappakai.wording import say

NAMED = 3


def forget_expired(errand: Errand, vault: Vault, store_id: int, wards: list[int]) -> None:
    """Delete from a store what the rules let go, unless it keeps all it has.

    What it keeps of single things is noted and fails the run. Raises the errors of a store that
    cannot be used.
    """
    began, refused = time.monotonic(), []
    for copy_id, parcel in _expired(store_id, wards):
        errand.check()
        if not _is_to_go(copy_id):
            continue
        try:
            vault.delete(parcel.stored_name)
        except DeletionRefusedError as problem:
            if not store_marks.can_delete(vault):
                stores.set_append_only(store_id, on=True, by="siappakai")
                return
            copies.note_refused(copy_id, problem)
            refused.append(parcel.name)
        else:
            copies.mark(copy_id, CopyState.DELETED)
    if refused:
        store = db.session.get_one(Store, store_id)
        errand.note(store.name, time.monotonic() - began, kept_back(store.name, refused))


def kept_back(store: str, names: Sequence[str]) -> SiapPakaiError:
    """Return what is told of backups that a store does not let go."""
    return RefusedError(
        say(
            "%(store)s tidak mengizinkan penghapusan %(count)s cadangan: %(names)s.",
            store=store,
            count=len(names),
            names=listed(names),
        ),
        say("Yang lain sudah dihapus. Periksa kunci atau hak berkas itu di penyimpanannya."),
    )


def listed(names: Sequence[str]) -> str:
    """Return the first of some names, and a sign that there are more."""
    return ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")


def _expired(store_id: int, wards: list[int]) -> list[tuple[int, Parcel]]:
    expired = copies.of_servers(wards).where(BackupCopy.store_id == store_id, copies.deletable())
    found = [(one.id, Parcel.of(one.backup)) for one in db.session.scalars(expired)]
    db.session.commit()
    return sorted(found, key=lambda one: one[0])


def _is_to_go(copy_id: int) -> bool:
    """Ask anew: a store may have been forgotten, or a backup held, since the list was made."""
    query = copies.in_stores(BackupCopy.id).where(BackupCopy.id == copy_id, copies.deletable())
    found = db.session.scalar(query)
    db.session.commit()
    return found is not None
