"""Closing a site to visitors and opening it again: a flag that nginx looks for.

The flag says who closed the site, so that nobody opens what another one keeps closed.
"""

from __future__ import annotations

from pathlib import Path

from . import site_tree, tree

REMOVAL = b"removal\n"


def close(folder: str, *, dry: bool = False) -> bool:
    """Let no visitor in while the site is being removed; return whether that was new."""
    if Path(folder, site_tree.MAINTENANCE).exists():
        return False
    if not dry:
        tree.apply(folder, [tree.Entry(site_tree.MAINTENANCE, 0o644, content=REMOVAL)])
    return True


def reopen(folder: str) -> bool:
    """Serve a site on whose removal ended before it was archived; return whether it was closed.

    Past that point only the removal itself can go on.
    """
    path = Path(folder, site_tree.MAINTENANCE)
    try:
        is_ours = path.read_bytes() == REMOVAL
    except FileNotFoundError:
        return False
    if not is_ours or site_tree.read_note(folder).get("removing"):
        return False
    path.unlink()
    return True
