"""What an earlier play of a run left at work on this server, and its end.

A play that is killed cannot end what it started here as root. Every task of ours carries in its
environment which play of which run it belongs to; children inherit that, daemons are started
without it. All modules can be killed at any point: the next run finishes what they began.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .fence import hand_over
from .outcome import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .variables import SiteVars

# Set by the playbooks to `<lock_dir>:<run>-<token>`.
MARKER = "SIAPPAKAI_TASK"

_PROC = Path("/proc")
_PAUSE_SECONDS = 0.1
_KILL_SECONDS = 5.0


def settle(lock_dir: str, play_id: str, sites: Sequence[SiteVars], patience: float) -> list[str]:
    """Make sure that nothing of the run's earlier plays works, or will work, on this server.

    Waits `patience` seconds for what still works, then ends it: SIGTERM, then SIGKILL. Without
    `sites` the run prepares the server itself, package manager and all, which is never cut
    short. Returns what was ended; raises Refusal `still_working`, or as `fence.hand_over`.
    """
    strays = Strays(lock_dir, play_id)
    ended = strays.end(patience, spare=not sites)
    for site in sites:
        hand_over(lock_dir, site["slug"], site["run_token"], patience=patience)
    return ended + strays.end(0.0, spare=not sites)


class Strays:
    """The processes of plays of one run that are older than the play that asks."""

    def __init__(self, lock_dir: str, play_id: str) -> None:
        run, _, token = play_id.partition("-")
        self.family = f"{MARKER}={lock_dir}:{run}-".encode()
        self.token = int(token)

    def find(self) -> list[int]:
        """Return their process ids."""
        return [int(entry.name) for entry in _PROC.iterdir() if self._is_one(entry)]

    def end(self, patience: float, *, spare: bool) -> list[str]:
        """Wait for them, then end them and say which they were; `spare` raises Refusal instead."""
        _wait(lambda: not self.find(), patience)
        found = self.find()
        named = [f"{pid} {_name(pid)}" for pid in found]
        if found and spare:
            raise Refusal(
                "still_working",
                f"An earlier run is still at work on this server: {', '.join(named)}."
                " It is waited for.",
                processes=named,
            )
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.find():
                self._tell(pid, number)
            _wait(lambda: not self.find(), _KILL_SECONDS)
        if self.find():
            raise Refusal(
                "still_working",
                f"Processes {self.find()} of an earlier run cannot be ended, not even by SIGKILL."
                " Look at the disks of this server.",
                processes=self.find(),
            )
        return named

    def _tell(self, pid: int, number: signal.Signals) -> None:
        """Signal a process if it is still one of them, and not another with its number."""
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            if self._is_one(_PROC / str(pid)):
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return
        finally:
            os.close(handle)

    def _is_one(self, process: Path) -> bool:
        if not process.name.isdigit():
            return False
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            return False
        tokens = [one.removeprefix(self.family) for one in variables if one.startswith(self.family)]
        return any(token.isdigit() and int(token) < self.token for token in tokens)


def _wait(done: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        time.sleep(_PAUSE_SECONDS)


def _name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "ended"
