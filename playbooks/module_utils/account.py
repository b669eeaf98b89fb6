"""The unix account of a site: no shell, no password, a group of its own."""

from __future__ import annotations

import grp
import pwd
import signal
from dataclasses import dataclass
from functools import partial

from .fence import hold
from .outcome import Refusal
from .processes import kill_all, pids_of_user, signal_all
from .programs import run

# A range of their own: system ids end at 999, too few for a regency's sites.
_RANGE = ("UID_MIN=20000", "UID_MAX=59999", "GID_MIN=20000", "GID_MAX=59999")
_NO_SUBORDINATES = ("SUB_UID_COUNT=0", "SUB_GID_COUNT=0")
_SHELL = "/usr/sbin/nologin"
_KILL_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Account:
    """A unix user and the group of its own."""

    uid: int
    gid: int


def find_account(name: str) -> Account | None:
    """Return the account called `name`, or None."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def group_id(name: str) -> int:
    """Return the id of a group; raises Refusal `group_missing`."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise Refusal(
            "group_missing",
            f"The group {name} does not exist on this server. Prepare the server first.",
            group=name,
        ) from None


def create_account(name: str, home: str, lock_dir: str) -> Account:
    """Make the account; raises Refusal `account_unusable` if a foreign one has the name."""
    options = [word for setting in (*_RANGE, *_NO_SUBORDINATES) for word in ("-K", setting)]
    # useradd waits a whole second when it meets another one; our lock waits 50 ms.
    with hold(lock_dir, ".accounts"):
        run("useradd", "--no-create-home", "--home-dir", home, "--shell", _SHELL,
             "--user-group", *options, "--", name)  # fmt: skip
    entry = pwd.getpwnam(name)
    return Account(entry.pw_uid, entry.pw_gid)


def lacks_group(name: str) -> bool:
    """Tell whether an account has no group of its own: its useradd was killed half-way.

    PHP-FPM starts no pool at all while one pool names a group that is not there.
    """
    try:
        grp.getgrnam(name)
    except KeyError:
        return find_account(name) is not None
    return False


def make_group(name: str, account: Account, lock_dir: str) -> None:
    """Make the group that an account lacks."""
    with hold(lock_dir, ".accounts"):
        run("groupadd", "--gid", str(account.gid), "--", name)


def check_account(name: str) -> None:
    """Raise Refusal `account_unusable` when an account called `name` is not one of ours."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return
    if entry.pw_uid == 0 or entry.pw_shell != _SHELL:
        raise Refusal(
            "account_unusable",
            f"The unix user {name} exists already and is not a site's account."
            " Rename or remove it, then run this again.",
            unix_user=name,
        )


def remove_account(name: str, lock_dir: str) -> bool:
    """Remove the account, its processes and its group; return whether there was one."""
    account = find_account(name)
    if account is None:
        return False
    _end_processes(account.uid)
    with hold(lock_dir, ".accounts"):
        run("userdel", "--", name)
    return True


def interrupt(account: Account) -> int:
    """Kill what runs as the account, once; return how many processes that were.

    A PHP-FPM master that still has the account's pool replaces its worker at once, by an idle
    one; only its reload ends that.
    """
    pids = pids_of_user(account.uid)
    signal_all(pids, signal.SIGKILL)
    return len(pids)


def _end_processes(uid: int) -> None:
    pids = kill_all(partial(pids_of_user, uid), _KILL_PATIENCE_SECONDS)
    if pids:
        raise Refusal(
            "processes_remain",
            f"Processes {sorted(pids)} of user id {uid} do not end. End them, then run this again.",
            pids=sorted(pids),
        )
