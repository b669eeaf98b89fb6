"""The process table, read from /proc."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

PROC = Path("/proc")
_POLL_SECONDS = 0.05


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether `condition()` became true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def all_pids() -> Iterator[int]:
    """Yield every process id there is."""
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def mentions(pid: int, config: str) -> bool:
    """Whether a process names a configuration file on its command line."""
    try:
        words = re.split(rb"[\0 =()]", (PROC / str(pid) / "cmdline").read_bytes())
    except OSError:
        return False
    return os.fsencode(config) in words


def is_local(pid: int) -> bool:
    """Whether a process sees this very file system, not a container's."""
    try:
        return (PROC / str(pid) / "root").samefile("/")
    except OSError:
        return False


def runs(pid: int, program: str) -> bool:
    """Whether a process runs `program` of this very file system."""
    try:
        exe = (PROC / str(pid) / "exe").readlink()
    except OSError:
        return False
    # An upgrade replaces the file under a running daemon; the kernel then says so.
    return is_local(pid) and str(exe).removesuffix(" (deleted)") == str(Path(program).resolve())


def session(pid: int) -> int | None:
    """Return the session of a process, or None when it is gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return None


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not yet taken notice of does not."""
    try:
        return bool((PROC / str(pid) / "exe").readlink())
    except OSError:
        return False


def end_session(leader: int, program: str) -> bool:
    """End what a leader that is gone left behind of its program; return whether there was any."""
    if is_alive(leader):
        return False
    # The kernel does not give a session's number to another process while a member lives.
    members = [pid for pid in all_pids() if session(pid) == leader and runs(pid, program)]
    signal_all(members, signal.SIGKILL)
    return bool(members) and wait_until(
        lambda: not any(runs(pid, program) for pid in members), seconds=10
    )


def signal_all(pids: Iterable[int], signal_number: signal.Signals) -> None:
    """Send a signal to processes, some of which may be gone."""
    for pid in pids:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            continue
