"""Carrying backups: from a server's spool to the stores, and from a store to where it is proven.

What is carried passes through this process piece by piece and rests nowhere in it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from sqlalchemy import select

from siappakai.domain.backups import CopyState
from siappakai.domain.servers import Shell
from siappakai.domain.stores import Vault
from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.models import Backup, BackupCopy, Run, Store, db
from siappakai.services import stores
from siappakai.services.enrolment import open_shell
from siappakai.services.errands import CancelledError, Errand, mark, rights_on, stored_name
from siappakai.services.leases import Tenure
from siappakai.services.servers import layout_of
from siappakai.services.staging import stage
from siappakai.wording import say


class SourceLostError(Exception):
    """The server a backup is read from, or brought to, failed; `problem` says how."""

    def __init__(self, problem: SiapPakaiError) -> None:
        super().__init__(problem.told)
        self.problem = problem


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
    """Bring what waits in a server's spool to the stores, and let them forget what expired."""
    _forget_expired(errand)
    waiting = (
        select(BackupCopy)
        .join(BackupCopy.backup)
        .where(Backup.server_id == errand.server.id, Backup.is_spooled)
        .where(BackupCopy.state == CopyState.WAITING, Backup.expired_at.is_(None))
        .order_by(BackupCopy.store_id, BackupCopy.id)
    )
    copies = list(db.session.scalars(waiting))
    db.session.commit()
    if not copies:
        return
    with open_shell(errand.server) as shell:
        rights = rights_on(shell)
        for _, group in groupby(copies, key=lambda copy: copy.store_id):
            _fill(errand, shell, rights, list(group))


def _fill(
    errand: Errand, shell: Shell, rights: Sequence[str], copies: Sequence[BackupCopy]
) -> None:
    """Bring backups to one store; when that fails, the others' turn comes all the same."""
    store, began = copies[0].store, time.monotonic()
    name = store.name
    try:
        with stores.open_vault(store) as vault:
            for copy in copies:
                began, name = time.monotonic(), f"{store.name}: {copy.backup.name}"
                _carry(errand, shell, rights, vault, copy)
                errand.note(name, time.monotonic() - began)
    except SiapPakaiError as problem:
        stores.note_state(store.id, problem)
        errand.note(name, time.monotonic() - began, problem)
    else:
        stores.note_state(store.id, None)


def _carry(
    errand: Errand, shell: Shell, rights: Sequence[str], vault: Vault, copy: BackupCopy
) -> None:
    """Bring one backup to one store, then read it back; raises SiapPakaiError."""
    backup = copy.backup
    name, path = stored_name(backup), f"{layout_of(backup.server).spool}/{backup.name}"
    upload = vault.upload(name, backup.size)
    rest = shell.stream([*rights, "tail", "-c", f"+{upload.offset + 1}", "--", path])
    for piece in errand.watched(_of_server(rest)):
        upload.write(piece)
    upload.finish()
    digest = hashlib.sha256()
    for piece in errand.watched(vault.read(name)):
        digest.update(piece)
    if digest.hexdigest() != backup.sha256:
        vault.delete(name)
        raise RefusedError(
            say("%(name)s rusak di jalan; dikirim lagi nanti.", name=backup.name),
            say("Bila terulang, periksa penyimpanan dan jaringannya."),
        )
    mark(copy.id, CopyState.STORED)


def _forget_expired(errand: Errand) -> None:
    """Delete from the stores what the rules let go; a store that keeps it all may do so."""
    expired = (
        select(BackupCopy)
        .join(BackupCopy.backup)
        .where(Backup.server_id == errand.server.id, Backup.expired_at.is_not(None))
        .where(BackupCopy.state.in_((CopyState.STORED, CopyState.DAMAGED)))
        .order_by(BackupCopy.store_id, BackupCopy.id)
    )
    copies = list(db.session.scalars(expired))
    db.session.commit()
    for _, group in groupby(copies, key=lambda copy: copy.store_id):
        _empty(errand, list(group))


def _empty(errand: Errand, copies: Sequence[BackupCopy]) -> None:
    store: Store = copies[0].store
    try:
        with stores.open_vault(store) as vault:
            for copy in copies:
                errand.check()
                vault.delete(stored_name(copy.backup))
                mark(copy.id, CopyState.DELETED)
    except SiapPakaiError as problem:
        errand.note(store.name, 0.0, problem)


def _of_server(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Tell a failure of the server from one of the store."""
    try:
        yield from pieces
    except SiapPakaiError as problem:
        raise SourceLostError(problem) from problem


_BEFORE: Final[dict[str, Callable[[Errand], None]]] = {"copy": _deliver, "prove": stage}
