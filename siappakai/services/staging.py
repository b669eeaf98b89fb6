"""Bringing backups from a store to the server that proves them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from siappakai.domain.backups import CopyState
from siappakai.domain.servers import Shell
from siappakai.errors import NotFoundError, RefusedError, SiapPakaiError
from siappakai.models import Backup, BackupCopy, db
from siappakai.models.transactions import transaction
from siappakai.services import copies, stores
from siappakai.services.enrolment import open_shell
from siappakai.services.errands import Errand, arrival, rights_on, stored_name
from siappakai.services.leases import hold
from siappakai.wording import say

# In a run's options: the backups that were brought to where they are proven.
ARRIVED: Final = "arrived"


def stage(errand: Errand) -> None:
    """Bring the backups of a proof from a store to the server that proves them.

    One that cannot be brought fails the run; the others are proven all the same.
    """
    arrived: list[int] = []
    if errand.options["backups"]:
        with open_shell(errand.server) as shell:
            rights = rights_on(shell)
            for backup_id in errand.options["backups"]:
                backup, began = db.session.get_one(Backup, backup_id), time.monotonic()
                try:
                    _bring(errand, shell, rights, backup)
                    arrived.append(backup.id)
                except SiapPakaiError as problem:
                    errand.note(backup.name, time.monotonic() - began, problem)
    with transaction() as session:
        run = hold(session, errand.tenure.lease)
        run.options = {**run.options, ARRIVED: arrived}


def _bring(errand: Errand, shell: Shell, rights: Sequence[str], backup: Backup) -> None:
    """Bring a backup into a server's spool from the first store that gives back what was taken.

    A copy that is not that any more is noted. Raises SiapPakaiError when no store does.
    """
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
