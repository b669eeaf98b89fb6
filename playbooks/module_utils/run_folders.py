"""Folders on /run, which a reboot empties."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def missing_run_folders(layout: Mapping[str, Any]) -> list[str]:
    """Return the folders of the arrangement on /run that do not exist."""
    return [path for path, _, _ in _wanted(layout) if not Path(path).is_dir()]


def make_run_folders(layout: Mapping[str, Any]) -> list[str]:
    """Create what is missing and return it; what exists is left as it is."""
    missing = missing_run_folders(layout)
    for path, mode, owner in _wanted(layout):
        if path in missing:
            _make(Path(path), mode, owner)
    return missing


def _wanted(layout: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    wanted = [(layout["run_dir"], 0o755, "root"), (layout["lock_dir"], 0o700, "root")]
    if layout["services"] == "private":
        # A folder of its own, so that MariaDB can make its socket but touch no site's.
        wanted.append((str(Path(layout["db_socket"]).parent), 0o755, "mysql"))
    return wanted


def _make(path: Path, mode: int, owner: str) -> None:
    path.mkdir(parents=True)
    path.chmod(mode)
    account = pwd.getpwnam(owner)
    os.chown(path, account.pw_uid, account.pw_gid)
