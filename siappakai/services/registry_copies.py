"""The registry's backups in the stores: sent, read back, let go by rules of their own."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select

from siappakai.domain import registry_backups as rules
from siappakai.domain.backups import CopyState
from siappakai.domain.recurrence import local_time
from siappakai.domain.retention import Kept, Policy, judge
from siappakai.domain.stores import DeletionRefusedError, Vault
from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.models import RegistryCopy, Store, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import settings, stores
from siappakai.wording import say

_PIECE: Final = 1 << 20
# Often enough to be seen alive, seldom enough to cost nothing.
_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Made:
    """A sealed backup on this machine, on its way to the stores."""

    file: Path
    taken_at: datetime
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return self.file.name


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a backup in one store: there and read back, or the `problem`."""

    store: str
    problem: SiapPakaiError | None = None


def answering(store_ids: Sequence[int]) -> tuple[list[int], list[Written]]:
    """Return the stores that can be opened, and what keeps the others from it."""
    good: list[int] = []
    bad: list[Written] = []
    for store_id in store_ids:
        name = _name(store_id)
        problem = _tried(store_id, partial(_recognise, store_id))
        if problem is None:
            good.append(store_id)
        else:
            bad.append(Written(name, problem))
    return good, bad


def send(store_id: int, made: Made, *, moved_on: Callable[[], None]) -> Written:
    """Write a backup into a store and read it back; `moved_on` is called while it goes on."""
    problem = _tried(store_id, lambda vault: _carry(vault, made, moved_on))
    if problem is None:
        with transaction() as session:
            session.add(
                RegistryCopy(
                    store_id=store_id,
                    name=made.name,
                    taken_at=made.taken_at,
                    size=made.size,
                    sha256=made.sha256,
                    checked_at=utc_now(),
                )
            )
    return Written(_name(store_id), problem)


def let_go(store_ids: Sequence[int]) -> None:
    """Delete from stores what the rules do not keep; one that forbids it keeps it."""
    for store_id in store_ids:
        if db.session.get_one(Store, store_id).is_append_only:
            continue
        for copy in _expired(store_id):
            copy_id, path = copy.id, f"{rules.FOLDER}/{copy.name}"
            problem = _tried(store_id, lambda vault, path=path: vault.delete(path))  # type: ignore[misc]
            if problem is not None:
                break
            with transaction() as session:
                session.get_one(RegistryCopy, copy_id).state = CopyState.DELETED


def policy() -> Policy:
    """Return how long backups of the registry are kept."""
    kept = settings.get_many(list(settings.REGISTRY_KEEP))
    return Policy(**{name.removeprefix("registry_keep_"): kept[name] for name in kept})


def sum_of(file: Path) -> str:
    """Return the checksum of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _tried(store_id: int, work: Callable[[Vault], object]) -> SiapPakaiError | None:
    """Do something with a store; note and return what went wrong."""
    store = db.session.get_one(Store, store_id)
    db.session.commit()  # nothing stays open while a store keeps us waiting
    try:
        with stores.open_vault(store) as vault:
            work(vault)
    except DeletionRefusedError as problem:
        return problem  # it is its right, and works
    except SiapPakaiError as problem:
        stores.note_state(store_id, problem)
        return problem
    stores.note_state(store_id, None)
    return None


def _carry(vault: Vault, made: Made, moved_on: Callable[[], None]) -> None:
    path = f"{rules.FOLDER}/{made.name}"
    upload = vault.upload(path, made.size)
    with made.file.open("rb") as file:
        file.seek(upload.offset)
        for piece in _watched(iter(lambda: file.read(_PIECE), b""), moved_on):
            upload.write(piece)
    upload.finish()
    digest = hashlib.sha256()
    for piece in _watched(vault.read(path), moved_on):
        digest.update(piece)
    if digest.hexdigest() != made.sha256:
        vault.delete(path)
        raise RefusedError(
            say("%(name)s rusak di jalan; dikirim lagi nanti.", name=made.name),
            say("Bila terulang, periksa penyimpanan dan jaringannya."),
        )


def _recognise(store_id: int, vault: Vault) -> None:
    stores.recognise(vault, db.session.get_one(Store, store_id))


def _watched(pieces: Iterator[bytes], moved_on: Callable[[], None]) -> Iterator[bytes]:
    said = time.monotonic()
    for piece in pieces:
        if time.monotonic() - said >= _SECONDS:
            said = time.monotonic()
            moved_on()
        yield piece


def _expired(store_id: int) -> list[RegistryCopy]:
    query = select(RegistryCopy).where(
        RegistryCopy.store_id == store_id, RegistryCopy.state == CopyState.STORED
    )
    found = {copy.id: copy for copy in db.session.scalars(query)}
    zone = ZoneInfo(settings.get(settings.TIMEZONE))
    # Each was read back: as proven as a file can be that is restored nowhere.
    kept = [
        Kept(copy.id, local_time(copy.taken_at, zone), is_proven=True) for copy in found.values()
    ]
    reasons = judge(kept, policy())
    return [found[one] for one, reason in reasons.items() if reason.may_go]


def _name(store_id: int) -> str:
    return db.session.get_one(Store, store_id).name
