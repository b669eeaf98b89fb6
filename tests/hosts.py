"""Bare Debian machines for tests: own file system, network and processes, reached over real SSH.

A host lives in namespaces of this machine, so root is needed, and `debootstrap`, `iproute2` and
`iptables`. Its packages come from where this machine's come from.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests import host_boot
from tests.host_images import CACHE, base_image, furnish

HOSTS = CACHE / "hosts"
FORWARDED = CACHE / "ip_forward"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
NETWORKS = 64 * 256


@dataclass
class DebianHost:
    """A running host. `admin` may become root by sudo; it has a password and our `key`."""

    name: str
    number: int
    folder: Path
    user: str = "admin"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    port: int = 22
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return self._at(2)

    @property
    def root(self) -> Path:
        """The host's file system as this machine sees it."""
        return self.folder / "root"

    @property
    def key(self) -> Path:
        """A private key `admin` accepts."""
        return self.folder / "key"

    @property
    def known_hosts(self) -> Path:
        """A known_hosts file that pins the host."""
        return self.folder / "known_hosts"

    def _at(self, place: int) -> str:
        """The address of a place in the host's own network of four."""
        return f"10.213.{self.number // 64}.{self.number % 64 * 4 + place}"

    @property
    def _namespace(self) -> str:
        return f"spk-{self.number}"

    @property
    def _link(self) -> str:
        return f"spk{self.number}h"

    @property
    def inventory_vars(self) -> dict[str, object]:
        """How Ansible reaches the host."""
        return {
            "ansible_host": self.address,
            "ansible_port": self.port,
            "ansible_user": self.user,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.known_hosts}",
        }

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root, without SSH."""
        inside = ["nsenter", "--target", str(self._init_pid()), "--all", "--root", "--wd"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            [*inside, *argv], capture_output=True, check=check, env=environment, text=True
        )

    def cut(self) -> None:
        """Pull the network cable."""
        _do("ip", "link", "set", self._link, "down")

    def restore(self) -> None:
        """Put the network cable back."""
        _do("ip", "link", "set", self._link, "up")

    def kill_all(self) -> None:
        """Cut the power: every process ends at once and /run is empty at the next `boot`."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._init_pid(), 9)
            self._process.kill()
            self._process.wait()
            self._process = None

    def boot(self, group: Path | None = None) -> None:
        """Switch the host on and wait for its SSH; in a control group, systemd runs it."""
        # Ends with the tests even when those are killed.
        bound = ["setpriv", "--pdeathsig", "KILL"]
        network = ["nsenter", f"--net=/run/netns/{self._namespace}"]
        self._process = subprocess.Popen(
            [*bound, *network, *host_boot.words(self.root, self.name, group)],
            stdin=subprocess.DEVNULL,
        )
        self._await_ssh()

    def _await_ssh(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            scan = _try("ssh-keyscan", "-T", "2", "-t", "ed25519", self.address)
            if scan.stdout:
                self.known_hosts.write_text(scan.stdout)
                return
            time.sleep(0.2)
        raise TimeoutError(f"Host {self.name} does not answer SSH on {self.address}.")

    def _init_pid(self) -> int:
        if self._process is None:
            raise ProcessLookupError(f"Host {self.name} is switched off.")
        pid = self._process.pid
        inside = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not inside:
            raise ProcessLookupError(f"Host {self.name} has gone down by itself.")
        return int(inside[0])

    def attach(self) -> None:
        """Lay the network: a cable to this machine, which passes on what goes beyond."""
        guest = f"spk{self.number}g"
        _do("ip", "link", "add", self._link, "type", "veth", "peer", "name", guest)
        _do("ip", "link", "set", guest, "netns", self._namespace)
        _do("ip", "addr", "add", f"{self._at(1)}/30", "dev", self._link)
        _do("ip", "link", "set", self._link, "up")
        inside = ("ip", "-netns", self._namespace)
        _do(*inside, "addr", "add", f"{self.address}/30", "dev", guest)
        _do(*inside, "link", "set", guest, "up")
        _do(*inside, "link", "set", "lo", "up")
        _do(*inside, "route", "add", "default", "via", self._at(1))
        _do("iptables", "-t", "nat", "-A", *self._nat)

    @property
    def _nat(self) -> tuple[str, ...]:
        beyond = ("!", "-d", "10.213.0.0/16")
        return ("POSTROUTING", "-s", f"{self.address}/32", *beyond, "-j", "MASQUERADE")

    def remove(self) -> None:
        """Take away everything of the host, whatever state it is in."""
        self.kill_all()
        _try("iptables", "-t", "nat", "-D", *self._nat)
        _try("ip", "link", "del", self._link)
        _try("ip", "netns", "del", self._namespace)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def debian_host(name: str, suite: str = "bookworm") -> Iterator[DebianHost]:
    """Yield a bare, running Debian host with sshd, sudo, Python and nothing else; remove it."""
    base = base_image(suite)
    host = _reserve(name)
    try:
        furnish(base, host.root, name=name, user=host.user, password=host.password)
        _admit_key(host)
        _forward()
        host.attach()
        host.boot()
        yield host
    finally:
        host.remove()
        _forward_no_more()


def _forward() -> None:
    if not FORWARDED.exists():
        FORWARDED.write_text(FORWARDING.read_text())
    FORWARDING.write_text("1\n")


def _forward_no_more() -> None:
    """With the last host gone the machine forwards as it did before the first."""
    if FORWARDED.exists() and not list(HOSTS.iterdir()):
        FORWARDING.write_text(FORWARDED.read_text())
        FORWARDED.unlink()


def _reserve(name: str) -> DebianHost:
    """Take the first free number; a network namespace can be made only once."""
    HOSTS.mkdir(parents=True, exist_ok=True)
    _remove_abandoned()
    for number in range(NETWORKS):
        if _try("ip", "netns", "add", f"spk-{number}").returncode == 0:
            host = DebianHost(name=name, number=number, folder=HOSTS / str(number))
            host.folder.mkdir(mode=0o700)
            (host.folder / "owner").write_text(str(os.getpid()))
            return host
    raise RuntimeError("No network is free for another host.")


def _remove_abandoned() -> None:
    """Remove the hosts of tests that were killed."""
    for folder in HOSTS.iterdir():
        owner = folder / "owner"
        if owner.exists() and not Path(f"/proc/{owner.read_text()}").exists():
            DebianHost(name="abandoned", number=int(folder.name), folder=folder).remove()


def _admit_key(host: DebianHost) -> None:
    _do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(host.key))
    ssh = host.root / "home" / host.user / ".ssh"
    account = ssh.parent.stat()
    ssh.mkdir(mode=0o700)
    shutil.copyfile(host.key.with_suffix(".pub"), ssh / "authorized_keys")
    for path in (ssh, ssh / "authorized_keys"):
        os.chown(path, account.st_uid, account.st_gid)


def _do(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def _try(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, check=False, capture_output=True, text=True)
