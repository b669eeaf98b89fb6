"""A backup read out of whichever store gives it back as it was taken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import TypeVar

from siappakai.domain.backups import CopyState
from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.models import Backup, BackupCopy
from siappakai.services import stores
from siappakai.services.errands import stored_name
from siappakai.wording import say

T = TypeVar("T")


def fetch(backup: Backup, take: Callable[[Iterator[bytes]], T]) -> T:
    """Give a backup to `take`, piece by piece, store after store until one gives it back whole.

    `take` reads to the end and returns what it made of it; what it raises asks the next store.
    Raises the first problem: what comes after it may only be another store that is down.
    RefusedError for a backup that is in no store.
    """
    problem: SiapPakaiError | None = None
    for copy in _sound(backup):
        try:
            with stores.open_vault(copy.store) as vault:
                return take(_whole(backup, vault.read(stored_name(backup))))
        except SiapPakaiError as error:
            problem = problem or error
    raise problem or _nowhere(backup)


@contextmanager
def streamed(backup: Backup) -> Iterator[Iterator[bytes]]:
    """Yield a backup's pieces out of the first store that begins to give it.

    What is not as it was taken ends in RefusedError before its last piece. Raises as `fetch` does.
    """
    with ExitStack() as stack:
        yield chain(*_begun(backup, stack))


def _begun(backup: Backup, stack: ExitStack) -> tuple[list[bytes], Iterator[bytes]]:
    """Return the first piece, and the others; the store that gives them is open until the end."""
    problem: SiapPakaiError | None = None
    for copy in _sound(backup):
        try:
            with ExitStack() as trial:
                vault = trial.enter_context(stores.open_vault(copy.store))
                pieces = _whole(backup, vault.read(stored_name(backup)))
                first = [next(pieces)]
                stack.enter_context(trial.pop_all())
                return first, pieces
        except SiapPakaiError as error:
            problem = problem or error
    raise problem or _nowhere(backup)


def _sound(backup: Backup) -> list[BackupCopy]:
    return [one for one in backup.copies if one.state is CopyState.STORED]


def _nowhere(backup: Backup) -> RefusedError:
    return RefusedError(
        say("Cadangan %(name)s tidak ada di penyimpanan mana pun.", name=backup.name),
        say("Tunggu sampai cadangan itu tersalin, atau pilih yang lain."),
    )


def _whole(backup: Backup, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass a backup on; raises RefusedError before its last piece when it is not what was taken.

    So whoever hands the pieces on at once has not handed all of it on.
    """
    digest, held = hashlib.sha256(), b""
    for piece in pieces:
        digest.update(piece)
        if held:
            yield held
        held = piece
    if digest.hexdigest() != backup.sha256:
        raise RefusedError(
            say("Cadangan %(name)s bukan yang dahulu dibuat.", name=backup.name),
            say("Pakai salinan di penyimpanan lain, dan periksa penyimpanan itu."),
        )
    yield held
