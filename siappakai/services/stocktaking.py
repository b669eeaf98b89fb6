"""Looking whether a store still has what it took in, without reading all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import update

from siappakai.domain.backups import CopyState
from siappakai.domain.stores import Vault
from siappakai.errors import RefusedError
from siappakai.models import Backup, BackupCopy, Store, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import copies
from siappakai.services.errands import Errand
from siappakai.services.origins import Parcel, digest_of
from siappakai.wording import say

_NAMED = 3


@dataclass(frozen=True, slots=True)
class _Expected:
    """A copy as the registry knows it."""

    copy_id: int
    state: CopyState
    is_expired: bool
    parcel: Parcel

    @property
    def folder(self) -> str:
        return self.parcel.stored_name.partition("/")[0]


def take_stock(errand: Errand, vault: Vault, store_id: int, server_ids: list[int]) -> None:
    """Compare what lies in a store with what should, by name and size.

    What is gone, or has another size, is noted and fails the run, once; what the rules let go and
    somebody else deleted is done with. Raises the errors of the store.
    """
    seen: list[int] = []
    lost: list[str] = []
    for folder, group in groupby(_expected(store_id, server_ids), key=lambda one: one.folder):
        errand.check()
        sizes = vault.sizes(folder)
        for one in group:
            if one.is_expired and one.parcel.name not in sizes:
                copies.mark(one.copy_id, CopyState.DELETED)
            elif one.is_expired or _note_kept(errand, vault, one, sizes):
                seen.append(one.copy_id)
            elif one.state is CopyState.STORED:
                lost.append(one.parcel.name)
    with transaction() as session:
        noted = update(BackupCopy).where(BackupCopy.id.in_(seen)).values(checked_at=utc_now())
        session.execute(noted)
    if lost:
        store = db.session.get_one(Store, store_id)
        errand.note(store.name, 0.0, _losses(store.name, lost))


def _expected(store_id: int, server_ids: list[int]) -> list[_Expected]:
    known = (CopyState.STORED, CopyState.MISSING, CopyState.DAMAGED)
    query = copies.of_servers(server_ids).where(
        BackupCopy.store_id == store_id, BackupCopy.state.in_(known)
    )
    found = [
        _Expected(one.id, one.state, one.backup.expired_at is not None, Parcel.of(one.backup))
        for one in db.session.scalars(query.order_by(Backup.site_id, BackupCopy.id))
    ]
    db.session.commit()
    return found


def _note_kept(errand: Errand, vault: Vault, one: _Expected, sizes: dict[str, int]) -> bool:
    """Note what became of a copy that should be there; tell whether it is."""
    size = sizes.get(one.parcel.name)
    if one.state is CopyState.STORED and size != one.parcel.size:
        state = CopyState.MISSING if size is None else CopyState.DAMAGED
        copies.mark(one.copy_id, state, _loss(one, size))
        return False
    if one.state is CopyState.MISSING and size == one.parcel.size:
        # Somebody brought it back. Only what was read counts.
        if digest_of(errand.watched(vault.read(one.parcel.stored_name))) == one.parcel.sha256:
            copies.find_again(one.copy_id)
        return False
    return one.state is CopyState.STORED


def _loss(one: _Expected, size: int | None) -> RefusedError:
    name, wanted = one.parcel.name, one.parcel.size
    todo = say(
        "Salinan lain dipakai untuk membuatnya lagi, bila ada. Cari tahu siapa yang dapat"
        " menghapus di penyimpanan itu."
    )
    if size is None:
        return RefusedError(say("%(name)s hilang dari penyimpanan.", name=name), todo)
    return RefusedError(
        say(
            "%(name)s di penyimpanan berukuran %(size)s bita, bukan %(wanted)s.",
            name=name,
            size=size,
            wanted=wanted,
        ),
        todo,
    )


def _losses(store: str, names: Sequence[str]) -> RefusedError:
    return RefusedError(
        say(
            "%(count)s cadangan hilang atau rusak di %(store)s: %(names)s.",
            count=len(names),
            store=store,
            names=", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else ""),
        ),
        say("Dibuat lagi dari salinan lain bila ada. Cari tahu siapa yang menghapusnya."),
    )
