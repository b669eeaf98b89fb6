"""File systems of the test hosts: a cached bare Debian, copied and furnished for each host."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

CACHE = Path("/var/cache/siappakai-tests")
INCLUDE = "openssh-server,python3,sudo,iproute2,ca-certificates"

# Process 1 of a host: starts sshd and takes in what other processes leave behind.
_INIT = """\
import os, subprocess
os.makedirs("/run/sshd", exist_ok=True)
os.makedirs("/run/lock", exist_ok=True)
subprocess.run(["/usr/sbin/sshd"], check=True)
while True:
    os.wait()
"""


def base_image(suite: str) -> Path:
    """Return the folder of a bare Debian, made at the first call (about a minute)."""
    CACHE.mkdir(parents=True, exist_ok=True)
    image = CACHE / f"base-{suite}"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.exists():
            partial = CACHE / f"base-{suite}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            _bootstrap(suite, partial)
            partial.rename(image)
    return image


def furnish(image: Path, root: Path, *, name: str, user: str, password: str) -> None:
    """Copy an image to `root` and give it a name, its own host keys, and a sudoer."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(image), str(root)], check=True)
    (root / "etc/hostname").write_text(f"{name}\n")
    (root / "etc/hosts").write_text(f"{Path('/etc/hosts').read_text()}\n127.0.1.1 {name}\n")
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    (root / "usr/local/sbin/init").write_text(_INIT)
    _inside(root, "ssh-keygen", "-A")
    _inside(root, "useradd", "--create-home", "--shell", "/bin/bash", user)
    _inside(root, "chpasswd", given=f"{user}:{password}\n")
    sudo_rule = root / "etc/sudoers.d" / user
    sudo_rule.write_text(f"{user} ALL=(ALL) NOPASSWD: ALL\n")
    sudo_rule.chmod(0o440)


def _bootstrap(suite: str, folder: Path) -> None:
    here = _own_suite()
    options = ["--variant=minbase", f"--include={INCLUDE}"]
    subprocess.run(
        ["debootstrap", *options, suite, str(folder), _mirror(here)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    for host_key in (folder / "etc/ssh").glob("ssh_host_*"):
        host_key.unlink()
    _copy_package_sources(folder, here, suite)
    _copy_authorities(folder)


def _own_suite() -> str:
    release = Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\w+)$", release, re.MULTILINE)
    if found is None:
        raise RuntimeError("Test hosts need a Debian machine; /etc/os-release names no suite.")
    return found[1]


def _mirror(suite: str) -> str:
    listed = _output("apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)")
    return next(uri for name, uri in map(str.split, listed.splitlines()) if name == suite)


def _copy_package_sources(folder: Path, here: str, suite: str) -> None:
    """Let apt inside fetch from where this machine does, for the host's own suite."""
    apt = Path("/etc/apt")
    (folder / "etc/apt/sources.list").unlink(missing_ok=True)
    lists = [apt / "sources.list", *(apt / "sources.list.d").iterdir()]
    for source in lists:
        if source.exists() and source.suffix in {".list", ".sources"}:
            text = re.sub(rf"\b{here}\b", suite, source.read_text())
            (folder / source.relative_to("/")).write_text(text)
    for keys in ("keyrings", "trusted.gpg.d", "auth.conf.d"):
        shutil.copytree(apt / keys, folder / "etc/apt" / keys, dirs_exist_ok=True)
    settings = _output("apt-config", "dump").splitlines()
    wanted = [one for one in settings if one.startswith("Acquire::") and "IndexT" not in one]
    (folder / "etc/apt/apt.conf.d/90this-machine").write_text("\n".join(wanted) + "\n")


def _copy_authorities(folder: Path) -> None:
    """Trust the certificate authorities this machine trusts."""
    own = Path("usr/local/share/ca-certificates")
    shutil.copytree("/" / own, folder / own, dirs_exist_ok=True)
    _inside(folder, "update-ca-certificates")


def _output(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def _inside(root: Path, *argv: str, given: str = "") -> None:
    environment = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    subprocess.run(
        ["chroot", str(root), *argv],
        check=True,
        capture_output=True,
        env=environment,
        input=given,
        text=True,
    )
