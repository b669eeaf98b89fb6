#!/usr/bin/python3
"""Rotate the logs of every village, each as its own unix user.

Called by logrotate once a day: rotate-site-logs SITES LOG_DIR DAYS. A village may put whatever
it likes into its log folder, links included, so nothing is done there as root.
"""

from __future__ import annotations

import grp
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

STANZA = """\
{logs}/*.log {{
    su {user} {group}
    daily
    rotate {days}
    missingok
    notifempty
    compress
    delaycompress
    copytruncate
}}
"""


def site_logs(sites: Path) -> Iterator[tuple[Path, pwd.struct_passwd]]:
    """Yield the log folder and the unix user of every site.

    The owner of `storage` counts: the village cannot replace that folder, but what lies in it.
    """
    for storage in sorted(sites.glob("*/storage")):
        seen = storage.lstat()
        if stat.S_ISDIR(seen.st_mode) and seen.st_uid != 0:
            yield storage / "logs", pwd.getpwuid(seen.st_uid)


def stanza(logs: Path, user: pwd.struct_passwd, days: int) -> str:
    """Return logrotate's instructions for one site."""
    group = grp.getgrgid(user.pw_gid).gr_name
    return STANZA.format(logs=logs, user=user.pw_name, group=group, days=days)


def forget_daily_logs(logs: Path, user: pwd.struct_passwd, days: int) -> None:
    """Delete the log files OpenSID made, one per day, that are older than `days`."""
    age = ["-maxdepth", "1", "-type", "f", "-name", "log-*.php", "-mtime", f"+{days}", "-delete"]
    subprocess.run(  # noqa: S603 - fixed programs, no shell
        ["/usr/bin/find", str(logs), *age],
        check=False,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
    )


def main() -> int:
    sites, log_dir, days = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    found = list(site_logs(sites))
    config = log_dir / "rotation.conf"
    config.write_text("".join(stanza(logs, user, days) for logs, user in found), encoding="utf-8")
    config.chmod(0o600)
    for logs, user in found:
        forget_daily_logs(logs, user, days)
    state = str(log_dir / "rotation.state")
    done = subprocess.run(  # noqa: S603 - fixed programs, no shell
        ["/usr/sbin/logrotate", "--state", state, str(config)], check=False
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
