"""What waits in a server's spool, and what of it is done with."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .variables import LayoutVars

# What nobody asks for after a day was left by a call or a carrier that was killed.
FORGOTTEN_SECONDS = 24 * 3600


def clear(
    layout: LayoutVars, *, keep: Sequence[str], drop: Sequence[str], dry: bool = False
) -> list[str]:
    """Delete what is done with, and what was left behind; return the names that are gone."""
    gone = []
    for path in sorted(Path(layout["spool"]).iterdir()):
        forgotten = time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS
        if path.name in drop or (forgotten and path.name not in keep):
            gone.append(path.name)
            if not dry:
                path.unlink()
    return sorted({*gone, *drop})
