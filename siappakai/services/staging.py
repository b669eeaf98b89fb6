"""Bringing backups from a store to the server that proves them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from siappakai.domain.backups import CopyState
from siappakai.domain.servers import Shell
from siappakai.errors import NotFoundError, RefusedError, SiapPakaiError
from siappakai.models import Backup, BackupCopy, db
from siappakai.models.transactions import transaction
from siappakai.services import copies, runs, stores
from siappakai.services.enrolment import open_shell
from siappakai.services.errands import CancelledError, Errand, arrival, rights_on, stored_name
from siappakai.services.leases import hold
from siappakai.services.server_room import room_in
from siappakai.services.servers import layout_of
from siappakai.wording import say

# In a run's options: the backups that were brought to where they are proven, by their ids, and
# how many seconds each was on its way.
ARRIVED: Final = "arrived"
# What is on its way to be proven lies there all at once: about so much, and one more.
_STAGED_BYTES: Final = 4 << 30
# A database takes up to so many times the room of its dump.
_LOADED: Final = 2


class NoRoomError(RefusedError):
    """The prover's disk has no room for a backup."""


def stage(errand: Errand) -> None:
    """Bring the backups of a proof from a store to the server that proves them.

    One that cannot be brought fails the run; the others are proven all the same. What finds no
    room beside those that came before it is left to another run.
    """
    arrived: dict[Backup, float] = {}
    later: list[int] = []
    if errand.options["backups"]:
        with open_shell(errand.server) as shell:
            depot = _Depot(errand, shell, rights_on(shell))
            try:
                _bring_all(depot, arrived, later)
            except CancelledError:
                depot.discard(list(arrived))
                raise
    with transaction() as session:
        run = hold(session, errand.tenure.lease)
        now = [one for one in run.options["backups"] if one not in later]
        brought = {str(one.id): seconds for one, seconds in arrived.items()}
        run.options = {**run.options, "backups": now, ARRIVED: brought}
        if later:
            options = {"backups": later}
            runs.create_server_run(run.play, errand.server, by=run.requested_by, options=options)


def _bring_all(depot: _Depot, arrived: dict[Backup, float], later: list[int]) -> None:
    errand = depot.errand
    for backup_id in errand.options["backups"]:
        backup, began = db.session.get_one(Backup, backup_id), time.monotonic()
        if sum(one.size for one in arrived) > _STAGED_BYTES:
            later.append(backup_id)
            continue
        try:
            depot.check_room(backup)
            depot.bring(backup)
            arrived[backup] = round(time.monotonic() - began, 2)
        except NoRoomError as problem:
            if arrived:
                later.append(backup_id)
            else:
                errand.note(backup.name, time.monotonic() - began, problem)
        except SiapPakaiError as problem:
            errand.note(backup.name, time.monotonic() - began, problem)


@dataclass(frozen=True, slots=True)
class _Depot:
    """The spool of the server that proves."""

    errand: Errand
    shell: Shell
    rights: list[str]

    def check_room(self, backup: Backup) -> None:
        """Raise NoRoomError unless a backup can lie here and be restored beside it."""
        room = room_in(self.shell, layout_of(self.errand.server).spool)
        database = backup.manifest.get("database", {}).get("bytes", 0)
        needed = backup.size + _LOADED * database
        if not room.has(needed):
            raise NoRoomError(
                say(
                    "Disk %(server)s tersisa %(free)s MB; pembuktian %(name)s perlu %(needed)s MB"
                    " dan %(kept)s MB harus tetap kosong.",
                    server=self.errand.server.name,
                    free=room.free >> 20,
                    name=backup.name,
                    needed=needed >> 20,
                    kept=room.kept >> 20,
                ),
                say("Kosongkan disk server itu, atau tunjuk server pembukti yang lebih lega."),
            )

    def bring(self, backup: Backup) -> None:
        """Bring a backup here from the first store that gives back what was taken.

        A copy that is not that any more is noted. Raises SiapPakaiError when no store does.
        """
        try:
            _bring(self.errand, self.shell, self.rights, backup)
        except SiapPakaiError:
            self.discard([backup])
            raise

    def discard(self, backups: Sequence[Backup]) -> None:
        """Delete what was brought, also half of it."""
        paths = [arrival(self.errand.server, one) for one in backups]
        if paths:
            self.shell.run([*self.rights, "rm", "-f", "--", *paths])


def _bring(errand: Errand, shell: Shell, rights: Sequence[str], backup: Backup) -> None:
    path = arrival(errand.server, backup)
    reason: SiapPakaiError = RefusedError(
        say("Cadangan %(name)s tidak ada di penyimpanan mana pun.", name=backup.name),
        say("Tunggu sampai cadangan itu tersalin, atau pilih yang lain."),
    )
    for copy in [one for one in backup.copies if one.state is CopyState.STORED]:
        digest = hashlib.sha256()
        try:
            with stores.open_vault(copy.store) as vault:
                pieces = _hashed(errand.watched(vault.read(stored_name(backup))), digest)
                shell.feed([*rights, "dd", f"of={path}", "bs=1M", "status=none"], pieces)
        except NotFoundError as problem:
            reason = problem
            copies.mark(copy.id, CopyState.MISSING, problem)
            continue
        except SiapPakaiError as problem:
            reason = problem
            continue
        if digest.hexdigest() == backup.sha256:
            return
        reason = _damaged(copy)
        errand.note(f"{copy.store.name}: {backup.name}", 0.0, reason)
        copies.mark(copy.id, CopyState.DAMAGED, reason)
    raise reason


def _damaged(copy: BackupCopy) -> RefusedError:
    return RefusedError(
        say(
            "%(store)s mengembalikan %(name)s yang lain dari yang dahulu dibuat.",
            store=copy.store.name,
            name=copy.backup.name,
        ),
        say("Periksa penyimpanan itu; salinan lain dipakai bila ada."),
    )


def _hashed(pieces: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece
