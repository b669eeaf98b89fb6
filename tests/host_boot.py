"""How a test host comes up: a small process 1 that knows sshd, or systemd."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Runs in the new namespaces, whose mounts end with them; $1 is the host's root folder.
_MOUNTS = """\
set -e
hostname "$2"
mount -t proc proc "$1/proc"
mount -t sysfs -o ro sysfs "$1/sys"
mount -t tmpfs -o mode=0755 tmpfs "$1/run"
mount -t tmpfs -o mode=0755 tmpfs "$1/dev"
for device in null zero full random urandom tty; do
    touch "$1/dev/$device"
    mount --bind "/dev/$device" "$1/dev/$device"
done
mkdir "$1/dev/pts" "$1/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$1/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
ln -s pts/ptmx "$1/dev/ptmx"
ln -s /proc/self/fd "$1/dev/fd"
"""
SMALL = f"""{_MOUNTS}
exec chroot "$1" /usr/bin/python3 /usr/local/sbin/init
"""
# Units get file systems of their own, which asks for a root that is a mount.
SYSTEMD = f"""{_MOUNTS}
mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
mount --rbind "$1" "$1"
cd "$1"
pivot_root . mnt
exec chroot . sh -c 'umount -l /mnt && exec env -i container=tests \
  PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd >/dev/null 2>&1'
"""
# Enters the control group $0, then becomes the rest of its words.
_ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
_SPACES = ["unshare", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child"]


def words(root: Path, name: str, group: Path | None) -> list[str]:
    """Return what boots a host; in a control group of its own, which systemd asks for, with it."""
    if group is None:
        return [*_SPACES, "sh", "-c", SMALL, "boot", str(root), name]
    enter = ["sh", "-c", _ENTER, str(group)]
    return [*enter, *_SPACES, "--cgroup", "sh", "-c", SYSTEMD, "boot", str(root), name]


@contextmanager
def control_group(name: str) -> Iterator[Path]:
    """Yield a control group of its own (version 2); raises LookupError where there is none."""
    argv = ["findmnt", "--noheadings", "--output", "TARGET", "--types", "cgroup2"]
    found = subprocess.run(argv, check=False, capture_output=True, text=True).stdout.split()
    if not found:
        raise LookupError("this machine has no control groups of version 2")
    group = Path(found[0]) / name
    group.mkdir(exist_ok=True)
    try:
        yield group
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    (group / "cgroup.kill").write_text("1")
    until = time.monotonic() + 10
    while "populated 1" in (group / "cgroup.events").read_text() and time.monotonic() < until:
        time.sleep(0.1)
    inner = [one for one in group.rglob("*") if one.is_dir()]
    for folder in [*sorted(inner, reverse=True), group]:
        folder.rmdir()
