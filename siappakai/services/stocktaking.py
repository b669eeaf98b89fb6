"""Looking whether a store still has what it took in, without reading all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from sqlalchemy import update

from siappakai.domain.backups import CopyState
from siappakai.domain.stores import Vault
from siappakai.errors import NotFoundError, RefusedError
from siappakai.models import Backup, BackupCopy, Store, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import copies
from siappakai.services.errands import Errand
from siappakai.services.letting_go import listed
from siappakai.services.origins import Parcel, digest_of
from siappakai.wording import say


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
    somebody else deleted is done with. A folder the store refuses to show fails the run, and the
    others are looked at. Raises the errors of a store that cannot be used.
    """
    stock, closed, shown = _Stock(), dict[str, RefusedError](), 0
    for folder, group in groupby(_expected(store_id, server_ids), key=lambda one: one.folder):
        errand.check()
        try:
            sizes = vault.sizes(folder)
        except RefusedError as problem:
            closed[folder] = problem
            continue
        shown += 1
        _look(errand, vault, sizes, list(group), stock)
        _note_seen(stock)
    if closed and not shown:
        raise next(iter(closed.values()))
    name = db.session.get_one(Store, store_id).name
    if stock.lost:
        errand.note(name, 0.0, _losses(name, stock.lost))
    if closed:
        errand.note(name, 0.0, _not_shown(name, closed))


@dataclass(slots=True)
class _Stock:
    """What was found so far: copies by id that are there, names of those that are not."""

    seen: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def _look(
    errand: Errand, vault: Vault, sizes: dict[str, int], group: Sequence[_Expected], stock: _Stock
) -> None:
    for one in group:
        if one.is_expired and one.parcel.name not in sizes:
            copies.mark(one.copy_id, CopyState.DELETED)
        elif one.is_expired or _note_kept(errand, vault, one, sizes):
            stock.seen.append(one.copy_id)
        elif one.state is CopyState.STORED:
            stock.lost.append(one.parcel.name)


def _note_seen(stock: _Stock) -> None:
    """Note what was seen in one folder: a store with thousands is not looked at in one breath."""
    if stock.seen:
        noted = update(BackupCopy).where(BackupCopy.id.in_(stock.seen))
        with transaction() as session:
            session.execute(noted.values(checked_at=utc_now()))
        stock.seen.clear()


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
        if _is_sound(errand, vault, one.parcel):
            copies.find_again(one.copy_id)
        return False
    return one.state is CopyState.STORED


def _is_sound(errand: Errand, vault: Vault, parcel: Parcel) -> bool:
    try:
        return digest_of(errand.watched(vault.read(parcel.stored_name))) == parcel.sha256
    except (RefusedError, NotFoundError):
        return False  # it stays missing: a store that has it and does not give it is no use


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
            names=listed(names),
        ),
        say("Dibuat lagi dari salinan lain bila ada. Cari tahu siapa yang menghapusnya."),
    )


def _not_shown(store: str, closed: Mapping[str, RefusedError]) -> RefusedError:
    return RefusedError(
        say(
            "%(store)s tidak menunjukkan isi %(count)s folder: %(names)s. %(reason)s",
            store=store,
            count=len(closed),
            names=listed(list(closed)),
            reason=next(iter(closed.values())).what,
        ),
        say("Folder lain sudah diperiksa. Perbaiki hak akses folder itu di penyimpanannya."),
    )
