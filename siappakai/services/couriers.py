"""Carrying backups: from a server's spool, or a store that has them, to the stores they lack in.

What is carried passes through this process piece by piece and rests nowhere in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from sqlalchemy import case

from siappakai.domain.backups import CopyState
from siappakai.domain.stores import DeletionRefusedError, Vault
from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.models import Backup, BackupCopy, Run, Store, db
from siappakai.models.transactions import transaction
from siappakai.services import copies, stores
from siappakai.services.bringing import bring
from siappakai.services.errands import CancelledError, Errand
from siappakai.services.leases import Tenure
from siappakai.services.letting_go import forget_expired
from siappakai.services.origins import (
    Origin,
    OriginLostError,
    Origins,
    Parcel,
    SourceLostError,
    digest_of,
    rotten,
)
from siappakai.services.staging import stage
from siappakai.services.stocktaking import take_stock
from siappakai.wording import say

# Copying between stores ends after this long and goes on in another run: what is taken meanwhile
# lies on its server alone, and comes first there.
_FILL_SECONDS: Final = 3600.0


class _NotCarriedError(RefusedError):
    """One backup could not be brought to a store; that says nothing of the others."""


def prepare(run: Run, tenure: Tenure) -> None:
    """Do what must be done before a run's playbook; raises SiapPakaiError when that is vain."""
    work = _BEFORE.get(run.play)
    if work is None:
        return
    try:
        work(Errand(run, tenure))
    except SourceLostError as lost:
        raise lost.problem from None
    except CancelledError:
        return  # the play is not begun either


def _deliver(errand: Errand) -> None:
    """Bring to each store what it lacks, after what it has was looked at and the old deleted.

    A server that cannot be read from keeps nothing from going from one store to another; it fails
    the run in the end.
    """
    wards = copies.wards(errand.server)
    with Origins(errand) as origins:
        for store in stores.list_stores():
            _attend(errand, origins, store.id, wards)
        if origins.lost is not None:
            raise SourceLostError(origins.lost)


def _attend(errand: Errand, origins: Origins, store_id: int, wards: list[int]) -> None:
    """Do all that a store needs; when it fails, the others' turn comes all the same."""
    store, began = db.session.get_one(Store, store_id), time.monotonic()
    name = store.name
    try:
        vault = origins.vault(store)
        stores.recognise(vault, store)
        with transaction() as session:
            # What was taken while the store was being added is not known to be lacking there.
            copies.provide(session, store_id, wards)
        # What is gone is known before anything is let go for it.
        take_stock(errand, vault, store_id, wards)
        forget_expired(errand, vault, store_id, wards)
        _fill(errand, origins, store_id, wards)
    except SiapPakaiError as problem:
        stores.note_state(store_id, problem)
        errand.note(name, time.monotonic() - began, problem)
    else:
        stores.note_state(store_id, None)


def _fill(errand: Errand, origins: Origins, store_id: int, wards: list[int]) -> None:
    """Bring what a store lacks: first what lies on its server alone, then the newest."""
    order = case((Backup.is_spooled, 0), else_=1), Backup.taken_at.desc(), BackupCopy.id
    lacking = copies.of_servers(wards).where(BackupCopy.store_id == store_id, copies.wanted())
    ids = [(one.id, one.backup.is_spooled) for one in db.session.scalars(lacking.order_by(*order))]
    until = time.monotonic() + _FILL_SECONDS
    for copy_id, is_spooled in ids:
        if not is_spooled and time.monotonic() > until:
            return
        db.session.commit()
        copy = db.session.get(BackupCopy, copy_id)
        if copy is not None:
            _deliver_one(errand, origins, copy)


def _deliver_one(errand: Errand, origins: Origins, copy: BackupCopy) -> None:
    began, name = time.monotonic(), f"{copy.store.name}: {copy.backup.name}"
    try:
        _carry(errand, origins, copy)
    except SourceLostError:
        return  # told once, for all that lie there
    except _NotCarriedError as problem:
        errand.note(name, time.monotonic() - began, problem)
    else:
        errand.note(name, time.monotonic() - began)


def _carry(errand: Errand, origins: Origins, copy: BackupCopy) -> None:
    """Bring one backup to one store from wherever it can be had.

    Raises _NotCarriedError, SourceLostError when only its server may have it and cannot be read
    from, or the error of a store that cannot be used.
    """
    copy_id, store, parcel = copy.id, copy.store, Parcel.of(copy.backup)
    vault = origins.vault(store)
    reason: SiapPakaiError = rotten(parcel)
    for origin in origins.of(parcel, besides=store.id):
        try:
            is_sound = _send(errand, vault, parcel, origin)
        except OriginLostError as lost:
            reason = lost.problem
            continue
        except SourceLostError as lost:
            origins.lost = lost.problem
            continue
        if not is_sound:
            raise _spoilt(copy_id, store.name, parcel)
        copies.mark(copy_id, CopyState.STORED)
        return
    if origins.lost is not None and copy.backup.is_spooled:
        raise SourceLostError(origins.lost)
    raise _NotCarriedError(reason.what, reason.todo)


def _send(errand: Errand, vault: Vault, parcel: Parcel, origin: Origin) -> bool:
    """Write a backup into a store and read it back; tell whether the store has it as it was.

    Raises OriginLostError when it came from something else than what was taken.
    """
    upload = vault.upload(parcel.stored_name, parcel.size)
    for piece in errand.watched(origin.read(upload.offset)):
        upload.write(piece)
    upload.finish()
    if digest_of(errand.watched(vault.read(parcel.stored_name))) == parcel.sha256:
        return True
    with suppress(DeletionRefusedError):
        vault.delete(parcel.stored_name)
    if origin.is_sound():
        return False
    problem = rotten(parcel)
    origin.condemn(problem)
    raise OriginLostError(problem)


def _spoilt(copy_id: int, store: str, parcel: Parcel) -> _NotCarriedError:
    problem = _NotCarriedError(
        say(
            "%(name)s rusak di jalan ke %(store)s; dikirim lagi nanti.",
            name=parcel.name,
            store=store,
        ),
        say("Bila terulang, periksa penyimpanan dan jaringannya."),
    )
    copies.mark(copy_id, CopyState.DAMAGED, problem)
    return problem


_BEFORE: Final[dict[str, Callable[[Errand], None]]] = {
    "copy": _deliver,
    "prove": stage,
    "compare": bring,
    "restore": bring,
}
