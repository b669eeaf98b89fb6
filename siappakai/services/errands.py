"""One run's carrying of backups: what it may still do, what it has done, and where things are."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final

from sqlalchemy import select

from siappakai.domain.servers import Shell
from siappakai.domain.states import RunState, StepState
from siappakai.errors import SiapPakaiError
from siappakai.models import Backup, Run, Server, Step, Target, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import outcomes
from siappakai.services.leases import LeaseLostError, Tenure, hold
from siappakai.services.servers import layout_of

_LOOK_SECONDS: Final = 1.0


class CancelledError(Exception):
    """A person asked for the run to stop."""


class Errand:
    """One run's carrying: its server, and whether to go on."""

    def __init__(self, run: Run, tenure: Tenure) -> None:
        self.run_id = run.id
        self.options = run.options
        self.target_id = run.targets[0].id
        self.server = db.session.get_one(Server, run.targets[0].server_id)
        self.tenure = tenure
        self._looked_at = 0.0

    def check(self) -> None:
        """Raise LeaseLostError or CancelledError when the carrying must end."""
        if self.tenure.lost.is_set():
            raise LeaseLostError(f"run {self.run_id} is settled")
        if time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        wanted = db.session.scalar(select(Run.cancel_requested).where(Run.id == self.run_id))
        db.session.commit()
        if wanted:
            raise CancelledError

    def watched(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass pieces on for as long as the carrying may go on."""
        for piece in pieces:
            self.check()
            yield piece

    def note(
        self,
        name: str,
        seconds: float,
        problem: SiapPakaiError | None = None,
        *,
        target_id: int | None = None,
    ) -> None:
        """Write a step of a target, the run's first unless told; a problem fails it.

        What else is to be done is still tried.
        """
        with transaction() as session:
            hold(session, self.tenure.lease)
            target = session.get_one(Target, target_id or self.target_id)
            state = StepState.FAILED if problem else StepState.OK
            detail = problem.told if problem else ""
            session.add(
                Step(
                    target_id=target.id,
                    name=name,
                    state=state,
                    detail=detail,
                    changed=True,
                    seconds=round(seconds, 3),
                )
            )
            session.flush()
            if problem and target.state is not RunState.FAILED:
                target.started_at = target.started_at or utc_now()
                outcomes.conclude(session, target, RunState.FAILED, detail)


def arrival(server: Server, backup: Backup) -> str:
    """Return where a backup that comes from a store lies on a server."""
    return f"{layout_of(server).spool}/arrived-{backup.name}"


def stored_name(backup: Backup) -> str:
    """Return what a backup is called in every store: its site's folder, and its name."""
    return f"{backup.site.app}-{backup.site.village.code}/{backup.name}"


def rights_on(shell: Shell) -> list[str]:
    """Return what turns a command into root's."""
    return [] if shell.run(["id", "-u"]).output.strip() == "0" else ["sudo", "-n"]
