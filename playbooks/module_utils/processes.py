"""The process table, read from /proc."""

from __future__ import annotations

import contextlib
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


def pids_of_user(uid: int) -> list[int]:
    """Return the processes that run as a user of this machine, not of a container on it.

    A container's users are others, whatever their numbers; zombies do not count.
    """
    return [pid for pid in all_pids() if str(uid) in _user_ids(pid) and is_local(pid)]


def _user_ids(pid: int) -> list[str]:
    """Return the real, effective, saved and file system user id; empty when it is gone."""
    try:
        status = (PROC / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return []
    return next((line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")), [])


def environment(pid: int) -> list[bytes]:
    """Return the variables a process was started with; empty when it is gone."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def name_of(pid: int) -> str:
    """Return the short name of a process, or `ended`."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "ended"


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


def signal_found(find: Callable[[], Iterable[int]], signal_number: signal.Signals) -> None:
    """Signal what `find` finds, if it is still found, and not another with its number."""
    handles = {}
    for pid in find():
        try:
            handles[pid] = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
    try:
        for pid in handles.keys() & set(find()):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handles[pid], signal_number)
    finally:
        for handle in handles.values():
            os.close(handle)


def kill_all(find: Callable[[], list[int]], seconds: float) -> list[int]:
    """Kill what `find` finds until it finds nothing more; return what `seconds` did not end."""

    def none_left() -> bool:
        signal_found(find, signal.SIGKILL)
        return not find()

    return [] if wait_until(none_left, seconds) else find()
