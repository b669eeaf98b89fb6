"""Where a backup can be had from: the spool of its server, else a store that has it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from sqlalchemy import select

from siappakai.domain.backups import CopyState
from siappakai.domain.servers import CommandFailedError, Shell
from siappakai.domain.stores import Vault
from siappakai.errors import NotFoundError, RefusedError, SiapPakaiError
from siappakai.models import Backup, BackupCopy, Store, db
from siappakai.services import copies, stores
from siappakai.services.enrolment import open_shell
from siappakai.services.errands import Errand, rights_on, stored_name
from siappakai.services.servers import layout_of
from siappakai.wording import say


class SourceLostError(Exception):
    """The server a backup is read from, or brought to, failed; `problem` says how."""

    def __init__(self, problem: SiapPakaiError) -> None:
        super().__init__(problem.told)
        self.problem = problem


class OriginLostError(Exception):
    """A backup cannot be had from where it should be; `problem` says why."""

    def __init__(self, problem: SiapPakaiError) -> None:
        super().__init__(problem.told)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Parcel:
    """A backup on its way: what it is called, what it must be."""

    backup_id: int
    name: str
    stored_name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, backup: Backup) -> Self:
        return cls(backup.id, backup.name, stored_name(backup), backup.size, backup.sha256)


class Origin(Protocol):
    """One place that has a backup."""

    def read(self, offset: int) -> Iterator[bytes]:
        """Yield the backup from a byte on; raises OriginLostError, SourceLostError."""

    def is_sound(self) -> bool:
        """Read all of it and tell whether it is what was taken; raises as `read` does."""

    def condemn(self, problem: SiapPakaiError) -> None:
        """Note that this place has it no more."""


class Origins:
    """The places a run can read from. Each is opened when it is first asked for, and kept open.

    `lost` is why the run's server cannot be read from: what lies in stores is carried all the same.
    """

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._open = ExitStack()
        self._vaults: dict[int, Vault] = {}
        self._shell: tuple[Shell, list[str]] | None = None
        self.lost: SiapPakaiError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._open.close()

    def vault(self, store: Store) -> Vault:
        """Return a store, open; raises the errors of reaching it."""
        if store.id not in self._vaults:
            self._vaults[store.id] = self._open.enter_context(stores.open_vault(store))
        return self._vaults[store.id]

    def of(self, parcel: Parcel, *, besides: int) -> Iterator[Origin]:
        """Yield the places that have a backup, the store with the id `besides` left out."""
        backup = db.session.get_one(Backup, parcel.backup_id)
        if backup.is_spooled and backup.server_id == self._errand.server.id and not self.lost:
            yield SpoolOrigin(self, self._errand, parcel)
        sound = select(BackupCopy).where(
            BackupCopy.backup_id == parcel.backup_id,
            BackupCopy.store_id != besides,
            BackupCopy.state == CopyState.STORED,
        )
        for copy in list(db.session.scalars(sound.order_by(BackupCopy.id))):
            yield StoreOrigin(self, self._errand, copy, parcel)

    def shell(self) -> tuple[Shell, list[str]]:
        """Return the server's shell, and what makes a command root's; raises SourceLostError."""
        if self._shell is None:
            try:
                shell = self._open.enter_context(open_shell(self._errand.server))
                self._shell = shell, rights_on(shell)
            except SiapPakaiError as problem:
                raise SourceLostError(problem) from problem
        return self._shell


class SpoolOrigin:
    """A backup as it waits on its server."""

    def __init__(self, origins: Origins, errand: Errand, parcel: Parcel) -> None:
        self._origins = origins
        self._errand = errand
        self._parcel = parcel
        self._folder = layout_of(errand.server).spool

    def read(self, offset: int) -> Iterator[bytes]:
        try:
            yield from self._stream("tail", "-c", f"+{offset + 1}")
        except CommandFailedError as problem:
            # A server that refuses everything says nothing of this one file.
            if not self._has_spool() or self.is_sound():
                raise SourceLostError(problem) from problem
            self.condemn(problem)
            raise OriginLostError(problem) from problem

    def is_sound(self) -> bool:
        try:
            found = digest_of(self._errand.watched(self._stream("cat")))
        except CommandFailedError:
            return False
        return found == self._parcel.sha256

    def condemn(self, problem: SiapPakaiError) -> None:
        copies.lose_spooled(self._parcel.backup_id, problem)

    def _stream(self, *argv: str) -> Iterator[bytes]:
        path = f"{self._folder}/{self._parcel.name}"
        shell, rights = self._origins.shell()
        try:
            yield from shell.stream([*rights, *argv, "--", path])
        except CommandFailedError:
            raise
        except SiapPakaiError as problem:
            raise SourceLostError(problem) from problem

    def _has_spool(self) -> bool:
        shell, rights = self._origins.shell()
        try:
            answer = shell.run([*rights, "test", "-d", self._folder])
        except SiapPakaiError as problem:
            raise SourceLostError(problem) from problem
        return answer.code == 0


class StoreOrigin:
    """A backup as another store has it."""

    def __init__(self, origins: Origins, errand: Errand, copy: BackupCopy, parcel: Parcel) -> None:
        self._origins = origins
        self._errand = errand
        self._copy_id, self._store = copy.id, copy.store
        self._parcel = parcel

    def read(self, offset: int) -> Iterator[bytes]:
        try:
            pieces = self._origins.vault(self._store).read(self._parcel.stored_name)
            yield from _after(offset, pieces)
        except NotFoundError as problem:
            copies.mark(self._copy_id, CopyState.MISSING, problem)
            raise OriginLostError(problem) from problem
        except SiapPakaiError as problem:
            raise OriginLostError(problem) from problem

    def is_sound(self) -> bool:
        return digest_of(self._errand.watched(self.read(0))) == self._parcel.sha256

    def condemn(self, problem: SiapPakaiError) -> None:
        copies.mark(self._copy_id, CopyState.DAMAGED, problem)


def digest_of(pieces: Iterable[bytes]) -> str:
    """Return the SHA-256 of what is read."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def rotten(parcel: Parcel) -> RefusedError:
    """Return what is told of a backup that is not any more what was taken."""
    return RefusedError(
        say("Cadangan %(name)s bukan lagi yang dahulu dibuat.", name=parcel.name),
        say("Buat cadangan baru dari situs itu, dan periksa disk tempatnya menunggu."),
    )


def _after(offset: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out the first bytes."""
    for piece in pieces:
        if offset < len(piece):
            yield piece[offset:]
        offset = max(0, offset - len(piece))
