"""Room on a disk: what is needed for a task, and what must stay free for all others."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from .outcome import Refusal

if TYPE_CHECKING:
    from pathlib import Path

# MariaDB and the villages write to the same disk as a rule, and stand still on a full one.
_SHARE, _LEAST, _MOST = 20, 256 << 20, 4 << 30


def reserve(size: int) -> int:
    """Return how much of a disk of `size` bytes must stay free; the panel reckons it alike."""
    return min(max(size // _SHARE, _LEAST), _MOST)


def check_room(folder: Path, needed: int, what: str) -> None:
    """Raise Refusal `no_room` unless a disk has room for `needed` bytes besides its reserve."""
    disk = shutil.disk_usage(folder)
    kept = reserve(disk.total)
    if disk.free < needed + kept:
        raise Refusal(
            "no_room",
            f"The disk has {disk.free >> 20} MB left. {what} may take {needed >> 20} MB, and"
            f" {kept >> 20} MB must stay free for the villages. Make room on the server, then run"
            " this again.",
            free=disk.free >> 20,
            needed=needed >> 20,
            reserve=kept >> 20,
        )
