"""Closing a site to visitors and opening it again: a flag that nginx looks for.

The flag says who closed the site, so that nobody opens what another one keeps closed.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import fastcgi, site_tree, tree
from .account import interrupt

if TYPE_CHECKING:
    from .account import Account
    from .variables import SiteVars

REMOVAL, SWITCH = b"removal\n", b"restore\n"
# How long a request that runs may take to end once the site is closed.
_DRAIN_SECONDS = 10.0
_ACTIVE = re.compile(r"^active processes:\s+(?!1$)\d+$", re.MULTILINE)


def close(folder: str, *, dry: bool = False, who: bytes = REMOVAL) -> bool:
    """Let no visitor in while the site is removed or switched; return whether that was new."""
    if Path(folder, site_tree.MAINTENANCE).exists():
        return False
    if not dry:
        tree.apply(folder, [tree.Entry(site_tree.MAINTENANCE, 0o644, content=who)])
    return True


def closed_by(folder: str) -> bytes | None:
    """Return who closed a site; None for one that is open."""
    try:
        return Path(folder, site_tree.MAINTENANCE).read_bytes()
    except FileNotFoundError:
        return None


def reopen_switched(folder: str) -> None:
    """Open a site that was closed for a switch alone."""
    if closed_by(folder) == SWITCH:
        Path(folder, site_tree.MAINTENANCE).unlink()


def empty(site: SiteVars, account: Account) -> int:
    """Give the requests of a closed site a moment, then end them; return how many processes."""
    if Path(site["socket"]).exists():
        _drain(site["socket"])
    return interrupt(account)


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


def _drain(listener: str) -> None:
    """Wait until PHP-FPM is busy with nothing but this question."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < deadline:
        try:
            answer = fastcgi.get(
                listener, view="", path="/fpm-status", host="", script="fpm-status", seconds=2
            )
        except OSError:
            return  # nobody listens, so nobody is being served
        if _ACTIVE.search(answer.body) is None:
            return
        time.sleep(0.05)
