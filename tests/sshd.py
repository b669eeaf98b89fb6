"""A private sshd on a loopback port, with a host key and an account of its own."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {host_key}
PidFile none
UsePAM no
PasswordAuthentication {passwords}
KbdInteractiveAuthentication no
AllowUsers {user}
Subsystem sftp internal-sftp
LogLevel QUIET
"""


@dataclass(frozen=True)
class Sshd:
    """A running sshd that admits `user` only, who may not use sudo."""

    port: int
    host_key: Path
    user: str
    password: str
    home: Path


@contextmanager
def temporary_account() -> Iterator[tuple[str, str, Path]]:
    """Yield name, password and home of a Unix account that is removed at the end (root only)."""
    user, password = f"spt{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    # sshd wants every folder above the keys closed to the writes of others, and /tmp is not.
    home = Path("/var/lib", f"siappakai-test-{user}")
    subprocess.run(
        ["useradd", "--create-home", "--home-dir", home, "--shell", "/bin/sh", user], check=True
    )
    try:
        subprocess.run(["chpasswd"], input=f"{user}:{password}\n", text=True, check=True)
        yield user, password, home
    finally:
        # A command that outlived its connection may still end by itself.
        subprocess.run(["userdel", "--force", user], check=True, capture_output=True)
        shutil.rmtree(home)


@contextmanager
def private_sshd(
    account: tuple[str, str, Path], *, passwords: bool = True, address: str = "127.0.0.1"
) -> Iterator[Sshd]:
    """Yield a running sshd for an account; `passwords` says whether it takes any."""
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    user, password, home = account
    with tempfile.TemporaryDirectory(prefix="siappakai-sshd-") as folder:
        host_key, config = Path(folder, "host_key"), Path(folder, "sshd_config")
        make_key(host_key)
        port = free_port()
        config.write_text(
            _CONFIG.format(
                address=address,
                port=port,
                host_key=host_key,
                user=user,
                passwords="yes" if passwords else "no",
            )
        )
        with subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", config]) as process:
            try:
                _await_port(address, port)
                yield Sshd(port, host_key, user, password, home)
            finally:
                process.terminate()


def make_key(path: Path, kind: str = "ed25519") -> str:
    """Write a new key pair to `path` and `path`.pub; return its fingerprint."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", path], check=True, capture_output=True, text=True
    )
    return shown.stdout.split()[1]


def free_port() -> int:
    """Return a loopback port that nobody listens on just now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(address: str, port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex((address, port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"sshd does not listen on {port}")
