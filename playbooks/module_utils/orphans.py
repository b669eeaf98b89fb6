"""What an earlier play of a run left at work on this server, and its end.

A play that is killed cannot end what it started here as root. Every task of ours carries in its
environment which play of which run it belongs to; children inherit that, daemons are started
without it. All modules can be killed at any point: the next run finishes what they began.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from .fence import hand_over
from .outcome import Refusal
from .processes import all_pids, environment, name_of, signal_found, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .variables import SiteVars

# Set by the playbooks to `<lock_dir>:<run>-<token>`.
MARKER = "SIAPPAKAI_TASK"

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
        return [pid for pid in all_pids() if self._is_one(pid)]

    def end(self, patience: float, *, spare: bool) -> list[str]:
        """Wait for them, then end them and say which they were; `spare` raises Refusal instead."""
        wait_until(lambda: not self.find(), patience)
        found = self.find()
        named = [f"{pid} {name_of(pid)}" for pid in found]
        if found and spare:
            raise Refusal(
                "still_working",
                f"An earlier run is still at work on this server: {', '.join(named)}."
                " It is waited for.",
                processes=named,
            )
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal_found(self.find, number)
            wait_until(lambda: not self.find(), _KILL_SECONDS)
        if self.find():
            raise Refusal(
                "still_working",
                f"Processes {self.find()} of an earlier run cannot be ended, not even by SIGKILL."
                " Look at the disks of this server.",
                processes=self.find(),
            )
        return named

    def _is_one(self, pid: int) -> bool:
        tokens = [
            variable.removeprefix(self.family)
            for variable in environment(pid)
            if variable.startswith(self.family)
        ]
        return any(token.isdigit() and int(token) < self.token for token in tokens)
