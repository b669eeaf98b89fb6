"""Bringing opened backups from this machine to the servers whose sites they are restored over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from siappakai.domain.servers import Shell
from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.models import Run, Server, Site, Target, db
from siappakai.services import incoming
from siappakai.services.enrolment import open_shell
from siappakai.services.errands import CancelledError, Errand, rights_on
from siappakai.services.server_room import room_in
from siappakai.services.servers import layout_of
from siappakai.wording import say

_PIECE: Final = 1 << 20
_STEP: Final = "bring"
# What is laid down takes up to so many times the room, as restoring.py on servers reckons.
_LAID_DOWN: Final = 2


def source_of(server: Server, host: str) -> str:
    """Return where the opened backup of a site lies on its server until it is restored."""
    return f"{layout_of(server).scratch}/restore-{host}"


def bring(errand: Errand) -> None:
    """Bring the opened backups of a run to its server.

    One that cannot be brought fails its target; the others are restored all the same. Raises
    SiapPakaiError when none can.
    """
    targets = list(db.session.get_one(Run, errand.run_id).targets)
    problems = []
    with open_shell(errand.server) as shell:
        depot = _Depot(errand, shell)
        try:
            for target in targets:
                problem = depot.try_bring(target)
                problems += [problem] if problem else []
        except CancelledError:
            depot.discard(targets)
            raise
    if len(problems) == len(targets):
        raise problems[0]


class _Depot:
    """The closed folder of a server in which opened backups wait."""

    def __init__(self, errand: Errand, shell: Shell) -> None:
        self._errand = errand
        self._shell = shell
        self._rights = rights_on(shell)
        # Bytes that those brought before will take once they are laid down.
        self._promised = 0

    def try_bring(self, target: Target) -> SiapPakaiError | None:
        """Bring the backup of a target, and note how that went; return what went wrong."""
        began, target_id, problem = time.monotonic(), target.id, None
        try:
            self._bring(target)
        except SiapPakaiError as error:
            problem = error
            self.discard([target])
        self._errand.note(_STEP, time.monotonic() - began, problem, target_id=target_id)
        return problem

    def discard(self, targets: list[Target]) -> None:
        """Delete what was brought, also half of it."""
        paths = [source_of(self._errand.server, one.host) for one in targets]
        self._shell.run([*self._rights, "rm", "-rf", "--", *paths])

    def _bring(self, target: Target) -> None:
        run, path = target.run, source_of(self._errand.server, target.host)
        site = db.session.get_one(Site, target.site_id)
        digest = run.options["opened"][str(site.id)]["digest"]
        bundle = incoming.received_as(site.village.code, digest)
        self._require_room(site, (bundle.folder / incoming.FILES).stat().st_size)
        pieces = self._errand.watched(_read(bundle.folder / incoming.FILES))
        self._shell.feed([*self._rights, "dd", f"of={path}", "bs=1M", "status=none"], pieces)

    def _require_room(self, site: Site, size: int) -> None:
        """Raise RefusedError unless a backup can lie here and be laid down beside what runs."""
        server = self._errand.server
        room = room_in(self._shell, layout_of(server).scratch)
        needed = size + _LAID_DOWN * size + self._promised
        if not room.has(needed):
            raise RefusedError(
                say(
                    "Disk %(server)s tersisa %(free)s MB; pemulihan %(village)s perlu %(needed)s MB"
                    " dan %(kept)s MB harus tetap kosong.",
                    server=server.name,
                    free=room.free >> 20,
                    village=site.village.name,
                    needed=needed >> 20,
                    kept=room.kept >> 20,
                ),
                say("Kosongkan disk server itu, lalu ulangi."),
            )
        self._promised += _LAID_DOWN * size


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
