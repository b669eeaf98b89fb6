"""Carrying backups: from a server's spool to the stores, and from a store to where it is proven.

What is carried passes through this process piece by piece and rests nowhere in it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from sqlalchemy import select

from siappakai.domain.backups import CopyState
from siappakai.domain.servers import Shell
from siappakai.domain.states import RunState, StepState
from siappakai.domain.stores import Vault
from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.models import Backup, BackupCopy, Run, Server, Step, Store, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import outcomes, stores
from siappakai.services.enrolment import open_shell
from siappakai.services.leases import LeaseLostError, Tenure, hold
from siappakai.services.servers import layout_of
from siappakai.wording import say

_LOOK_SECONDS = 1.0


class _CancelledError(Exception):
    """A person asked for the run to stop."""


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
        work(_Errand(run, tenure))
    except SourceLostError as lost:
        raise lost.problem from None
    except _CancelledError:
        return  # the play is not begun either


class _Errand:
    """One run's carrying: its server, and whether to go on."""

    def __init__(self, run: Run, tenure: Tenure) -> None:
        self.run_id = run.id
        self.options = run.options
        self.target_id = run.targets[0].id
        self.server = db.session.get_one(Server, run.targets[0].server_id)
        self.tenure = tenure
        self._looked_at = 0.0

    def check(self) -> None:
        """Raise LeaseLostError or _CancelledError when the carrying must end."""
        if self.tenure.lost.is_set():
            raise LeaseLostError(f"run {self.run_id} is settled")
        if time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        wanted = db.session.scalar(select(Run.cancel_requested).where(Run.id == self.run_id))
        db.session.commit()
        if wanted:
            raise _CancelledError

    def note(self, name: str, seconds: float, problem: SiapPakaiError | None = None) -> None:
        """Write a step of the run; a problem fails its target, the others are still tried."""
        with transaction() as session:
            run = hold(session, self.tenure.lease)
            state = StepState.FAILED if problem else StepState.OK
            detail = problem.told if problem else ""
            session.add(
                Step(
                    target_id=self.target_id,
                    name=name,
                    state=state,
                    detail=detail,
                    changed=True,
                    seconds=round(seconds, 3),
                )
            )
            session.flush()
            target = run.targets[0]
            if problem and target.state is not RunState.FAILED:
                target.started_at = target.started_at or utc_now()
                outcomes.conclude(session, target, RunState.FAILED, detail)


def _deliver(errand: _Errand) -> None:
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
    errand: _Errand, shell: Shell, rights: Sequence[str], copies: Sequence[BackupCopy]
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
    errand: _Errand, shell: Shell, rights: Sequence[str], vault: Vault, copy: BackupCopy
) -> None:
    """Bring one backup to one store, then read it back; raises SiapPakaiError."""
    backup = copy.backup
    name, path = stored_name(backup), f"{layout_of(backup.server).spool}/{backup.name}"
    upload = vault.upload(name, backup.size)
    rest = shell.stream([*rights, "tail", "-c", f"+{upload.offset + 1}", "--", path])
    for piece in _watched(errand, _of_server(rest)):
        upload.write(piece)
    upload.finish()
    digest = hashlib.sha256()
    for piece in _watched(errand, vault.read(name)):
        digest.update(piece)
    if digest.hexdigest() != backup.sha256:
        vault.delete(name)
        raise RefusedError(
            say("%(name)s rusak di jalan; dikirim lagi nanti.", name=backup.name),
            say("Bila terulang, periksa penyimpanan dan jaringannya."),
        )
    _mark(copy.id, CopyState.STORED)


def _forget_expired(errand: _Errand) -> None:
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


def _empty(errand: _Errand, copies: Sequence[BackupCopy]) -> None:
    store: Store = copies[0].store
    try:
        with stores.open_vault(store) as vault:
            for copy in copies:
                errand.check()
                vault.delete(stored_name(copy.backup))
                _mark(copy.id, CopyState.DELETED)
    except SiapPakaiError as problem:
        errand.note(store.name, 0.0, problem)


def _stage(errand: _Errand) -> None:
    """Bring the backups of a proof from a store to the server that proves them."""
    backups = [db.session.get_one(Backup, id_) for id_ in errand.options["backups"]]
    if not backups:
        return
    with open_shell(errand.server) as shell:
        rights = rights_on(shell)
        for backup in backups:
            bring(backup, errand.server, shell, rights, errand.check)


def bring(
    backup: Backup, server: Server, shell: Shell, rights: Sequence[str], check: Callable[[], None]
) -> None:
    """Bring a backup from a store into a server's spool; raises SiapPakaiError."""
    stored = [copy for copy in backup.copies if copy.state is CopyState.STORED]
    if not stored:
        raise RefusedError(
            say("Cadangan %(name)s tidak ada di penyimpanan mana pun.", name=backup.name),
            say("Tunggu sampai cadangan itu tersalin, atau pilih yang lain."),
        )
    path = arrival(server, backup)
    for number, copy in enumerate(stored, start=1):
        try:
            with stores.open_vault(copy.store) as vault:
                pieces = _checked(check, vault.read(stored_name(backup)))
                shell.feed([*rights, "dd", f"of={path}", "bs=1M", "status=none"], pieces)
        except SiapPakaiError:
            if number == len(stored):
                raise
        else:
            return


def arrival(server: Server, backup: Backup) -> str:
    """Return where a backup that comes from a store lies on a server."""
    return f"{layout_of(server).spool}/arrived-{backup.name}"


def stored_name(backup: Backup) -> str:
    """Return what a backup is called in every store: its site's folder, and its name."""
    return f"{backup.site.app}-{backup.site.village.code}/{backup.name}"


def rights_on(shell: Shell) -> list[str]:
    """Return what turns a command into root's."""
    return [] if shell.run(["id", "-u"]).output.strip() == "0" else ["sudo", "-n"]


def _watched(errand: _Errand, pieces: Iterable[bytes]) -> Iterator[bytes]:
    return _checked(errand.check, pieces)


def _checked(check: Callable[[], None], pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        check()
        yield piece


def _of_server(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Tell a failure of the server from one of the store."""
    try:
        yield from pieces
    except SiapPakaiError as problem:
        raise SourceLostError(problem) from problem


def _mark(copy_id: int, state: CopyState) -> None:
    with transaction() as session:
        copy = session.get_one(BackupCopy, copy_id)
        copy.state, copy.checked_at, copy.message = state, utc_now(), ""


_BEFORE: dict[str, Callable[[_Errand], None]] = {"copy": _deliver, "prove": _stage}
