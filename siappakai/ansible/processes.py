"""Finding and killing what a play started, by /proc; Linux only, as our servers are.

ansible-runner kills only its direct child, and Ansible's workers call setsid: without this
a cancelled or orphaned play would go on. What a play started as root on a server is out of
reach from here; the probe that settles its run ends it there (site_health).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

# Set in the environment of every play to its workspace, which no other play on the machine
# has: an orphan is found by it after its parent died.
MARKER = "SIAPPAKAI_PLAY"

_PROC = Path("/proc")
# Field 22 of /proc/<pid>/stat, counted after the command name, which may hold spaces.
_STARTTIME_AFTER_NAME = 19
_KILL_SECONDS = 5.0


def descendants(pid: int) -> list[int]:
    """Return the process ids below `pid`, parents before children."""
    found: list[int] = []
    for child in _children(pid):
        found.append(child)
        found.extend(descendants(child))
    return found


def kill_descendants(pid: int) -> int:
    """SIGKILL all processes below `pid`; return how many were told. Those of root may stay."""
    return sum(_kill(child) for child in reversed(descendants(pid)))


def kill_marked(workspace: Path) -> int:
    """SIGKILL every process of the play in `workspace` until none is left; return how many.

    Those that do not die within some seconds (waiting for a disk that is gone) are left.
    """
    told: set[int] = set()
    until = time.monotonic() + _KILL_SECONDS
    while (pids := marked(workspace)) and time.monotonic() < until:
        told.update(pid for pid in pids if _kill(pid))
        time.sleep(0.02)
    return len(told)


def marked(workspace: Path) -> list[int]:
    """Return the processes of the play in `workspace`, the oldest first."""
    needle = f"\0{MARKER}={workspace}\0".encode()
    pids = [pid for pid in _pids() if needle in b"\0" + _read(pid, "environ") + b"\0"]
    return sorted(pids, key=lambda pid: started_at(pid) or 0)


def started_at(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when it is gone."""
    stat = _read(pid, "stat")
    return int(stat.rpartition(b")")[2].split()[_STARTTIME_AFTER_NAME]) if stat else None


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(OSError):
        for task in (_PROC / str(pid) / "task").iterdir():
            children.extend(int(child) for child in (task / "children").read_text().split())
    return children


def _read(pid: int, name: str) -> bytes:
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True
