"""A registry that is being brought back, and may not go on before that came to its end.

What was restored, but not yet settled, holds runs of another day that look as if they were at
work. A mark beside it tells so, also after a kill: every process that would open it is refused.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from siappakai.errors import ConflictError
from siappakai.wording import say

_MARK: Final = "recovery.json"


@dataclass(frozen=True, slots=True)
class CutOff:
    """A recovery that did not come to its end: where it copied what was there; None for nothing."""

    before: Path | None


def begin(state: Path, before: Path | None) -> None:
    """Mark the registry of a state folder, durably, before anything of it is replaced."""
    fresh = state / f".{_MARK}.new"
    with fresh.open("w") as file:
        json.dump({"before": str(before or "")}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(state / _MARK)
    _sync(state)


def end(state: Path) -> None:
    """Let the registry be opened again."""
    (state / _MARK).unlink(missing_ok=True)
    _sync(state)


def cut_off(state: Path) -> CutOff | None:
    """Return the recovery that was cut off in a state folder; None when there is none."""
    try:
        before = str(json.loads((state / _MARK).read_text())["before"])
    except FileNotFoundError:
        return None
    return CutOff(Path(before) if before else None)


def refuse(state: Path) -> None:
    """Raise ConflictError while the registry of a state folder is only half brought back."""
    if (state / _MARK).exists():
        raise ConflictError(
            say("Pemulihan registri di mesin ini terputus sebelum selesai."),
            say("Ulangi siappakai recover dengan kit yang sama: pemulihan itu dituntaskannya."),
        )


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
