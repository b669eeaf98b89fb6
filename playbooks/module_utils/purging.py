"""Removal of a private arrangement: folders, unix users, log rotation."""

from __future__ import annotations

import grp
import pwd
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from .daemons import DaemonError
from .processes import kill_all, pids_of_user

MARKER = ".siappakai-private"
_KILL_SECONDS = 10.0


def require_private(layout: Mapping[str, Any]) -> None:
    """Raise DaemonError unless the layout is private and its root folder, if any, is marked so."""
    if layout["services"] != "private":
        raise DaemonError(
            "not_private",
            "This server uses the machine's own services and is not purged. Remove its sites"
            " one by one instead.",
        )
    root = Path(layout["root"])
    if root.exists() and not _is_marked(root, layout["prefix"]):
        raise DaemonError(
            "not_ours",
            f"{root} does not carry the mark of the private arrangement “{layout['prefix']}”"
            f" ({MARKER}). Check the root folder; nothing was removed.",
            root=str(root),
        )


def site_users(prefix: str) -> list[str]:
    """Return the unix users of an arrangement: its sites', and the one that runs clients."""
    return sorted(user.pw_name for user in pwd.getpwall() if _is_site(user.pw_name, prefix))


def site_groups(prefix: str) -> list[str]:
    """Return the unix groups of an arrangement's sites."""
    return sorted(group.gr_name for group in grp.getgrall() if _is_site(group.gr_name, prefix))


def traces(layout: Mapping[str, Any]) -> list[str]:
    """Return the paths of an arrangement that exist."""
    paths = (
        layout["root"],
        layout["run_dir"],
        f"/etc/logrotate.d/siappakai-{layout['prefix']}",
    )
    return [path for path in paths if Path(path).exists()]


def remove_users(prefix: str) -> list[str]:
    """End the processes of the sites' users, then remove users and groups; return their names."""
    users = site_users(prefix)
    for user in users:
        kill_all(partial(pids_of_user, pwd.getpwnam(user).pw_uid), _KILL_SECONDS)
        _run("userdel", user)
    for group in site_groups(prefix):
        _run("groupdel", group)
    return users


def remove_paths(layout: Mapping[str, Any]) -> list[str]:
    """Remove what `traces` finds and return it."""
    found = traces(layout)
    for path in map(Path, found):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return found


def _is_marked(root: Path, prefix: str) -> bool:
    marker = root / MARKER
    return marker.is_file() and marker.read_text(encoding="ascii").strip() == prefix


def _is_site(name: str, prefix: str) -> bool:
    ours = rf"{re.escape(prefix)}-(?:[a-z][a-z-]+-\d{{4,10}}|scratch)"
    return re.fullmatch(ours, name) is not None


def _run(program: str, name: str) -> None:
    done = subprocess.run(  # noqa: S603 - fixed programs, no shell
        [f"/usr/sbin/{program}", name], capture_output=True, check=False, text=True, timeout=60
    )
    if done.returncode != 0:
        raise DaemonError(
            "user_not_removed",
            f"{program} {name} failed: {done.stderr.strip()}. Correct the cause and run again.",
            user=name,
        )
