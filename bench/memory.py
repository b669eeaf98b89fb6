"""Watching how much memory the processes of an installation take."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_EVERY_SECONDS = 0.25
_PROC = Path("/proc")
# By words of the command line; a process without them counts with its parent.
_GROUPS = {
    "gunicorn": "panel",
    "siappakai.worker runs": "worker",
    "siappakai.worker ": "clock",
    "ansible-playbook": "ansible",
}


class Peaks(dict[str, float]):
    """The most memory each group took at one moment, in MB.

    Resident sizes are added up, so what processes share counts once in each.
    """

    def look(self, supervisor: int) -> None:
        """Measure all processes below the supervisor now."""
        now: dict[str, float] = {}
        for group, megabytes in _sizes(supervisor, "supervisor"):
            now[group] = now.get(group, 0.0) + megabytes
        for group, megabytes in now.items():
            self[group] = round(max(self.get(group, 0.0), megabytes), 1)


@contextmanager
def peaks(supervisor: int) -> Iterator[Peaks]:
    """Watch an installation from a thread; what is yielded is filled meanwhile."""
    found, done = Peaks(), threading.Event()

    def watch() -> None:
        while not done.wait(_EVERY_SECONDS):
            found.look(supervisor)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


class Largest(dict[str, float]):
    """The most memory a single process took, in MB, by what is run in it."""

    def __init__(self, supervisor: int) -> None:
        super().__init__()
        self._supervisor = supervisor

    @contextmanager
    def watched(self) -> Iterator[Largest]:
        """Watch from a thread for as long as it lasts."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_EVERY_SECONDS):
                for group, megabytes in _sizes(self._supervisor, "supervisor", own_name=True):
                    self[group] = round(max(self.get(group, 0.0), megabytes), 1)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield self
        finally:
            done.set()
            thread.join()


def _sizes(pid: int, group: str, *, own_name: bool = False) -> Iterator[tuple[str, float]]:
    """Yield group and size of a process and of all below it; a vanished one is left out.

    With `own_name` what is in no group of its own goes by its program's name.
    """
    try:
        words = (
            (_PROC / f"{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
        status = (_PROC / f"{pid}/status").read_text()
        children = (_PROC / f"{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    found = next((name for word, name in _GROUPS.items() if word in words), "")
    group = found or (_program(pid) if own_name else group)
    resident = next((line for line in status.splitlines() if line.startswith("VmRSS:")), ": 0 kB")
    yield group, int(resident.split()[1]) / 1024
    for child in children:
        yield from _sizes(int(child), group, own_name=own_name)


def _program(pid: int) -> str:
    with suppress(OSError):
        return (_PROC / f"{pid}/comm").read_text().strip()
    return "?"
