"""SFTP carried by OpenSSH's own program, which moves many times as much as paramiko's transport.

Who uses it has connected by paramiko before, which tells a wrong host key, account or key apart.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import paramiko

from siappakai.errors import UnreachableError
from siappakai.ssh.refusals import Login
from siappakai.wording import say

_ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
# Nothing of this machine's or the account's own settings of SSH, nor an agent's keys.
_SETTINGS: Final = {
    "GlobalKnownHostsFile": "/dev/null",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
    "IdentitiesOnly": "yes",
    "BatchMode": "yes",
    "ServerAliveInterval": "10",
    "ServerAliveCountMax": "3",
}
_MEMORY: Final = "/dev/shm"  # noqa: S108 - the folder made there is closed
_SAID: Final = 2000
_END_SECONDS: Final = 5.0


class _Channel:
    """A running `ssh`, as paramiko's SFTP wants a channel."""

    def __init__(self, process: subprocess.Popen[bytes], plain: socket.socket) -> None:
        self._process = process
        self._plain = plain

    def get_name(self) -> str:
        return "ssh"

    def settimeout(self, seconds: float) -> None:
        """Let no single answer take longer."""
        self._plain.settimeout(seconds)

    def send(self, data: bytes) -> int:
        return self._plain.send(data)

    def recv(self, size: int) -> bytes:
        return self._plain.recv(size)

    def recv_ready(self) -> bool:
        """Tell whether something has come that was not read."""
        poll = select.poll()
        poll.register(self._plain, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """End it, by force when the other side keeps silent."""
        self._plain.close()
        with self._process as process:
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def carried(login: Login, timeout: float) -> Iterator[paramiko.SFTPClient]:
    """Yield SFTP to an account that a private key opens, no answer of which may take longer.

    Key and host key lie in files for as long as `ssh` connects. Raises UnreachableError, OSError.
    """
    with TemporaryDirectory(prefix="siappakai-ssh-", dir=_memory()) as folder:
        client = _connected(login, timeout, Path(folder))
    with client:
        yield client


def _connected(login: Login, timeout: float, folder: Path) -> paramiko.SFTPClient:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - the system's own ssh, an argv list
            _argv(login, timeout, folder),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
        )
    channel = _Channel(process, ours)
    channel.settimeout(timeout)
    with ExitStack() as in_vain:
        in_vain.callback(channel.close)
        try:
            client = paramiko.SFTPClient(channel)  # type: ignore[arg-type] # it asks a channel for no more
        except (paramiko.SSHException, ConnectionError):
            raise _unreachable(login, process) from None
        in_vain.pop_all()
    return client


def _memory() -> str | None:
    return _MEMORY if os.access(_MEMORY, os.W_OK) else None


def _argv(login: Login, timeout: float, folder: Path) -> list[str]:
    known, identity = folder / "known_hosts", folder / "identity"
    known.write_text(f"{login.known_as} {login.host_key.line}\n")
    identity.touch(mode=0o600)
    identity.write_text(f"{(login.private_key or '').strip()}\n")
    settings = {
        **_SETTINGS,
        "UserKnownHostsFile": str(known),
        "ConnectTimeout": str(max(1, round(timeout))),
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    place = ["-i", str(identity), "-p", str(login.port), "-l", login.user, "-s", "--"]
    return ["ssh", "-F", "/dev/null", *options, *place, login.address, "sftp"]


def _unreachable(login: Login, process: subprocess.Popen[bytes]) -> UnreachableError:
    said = process.stderr.read(_SAID).decode(errors="replace").strip() if process.stderr else ""
    return UnreachableError(
        say(
            "Server %(label)s tidak terjangkau: %(error)s.",
            label=f"{login.address}:{login.port}",
            error=said.rpartition("\n")[2] or "sambungan putus",
        ),
        say("Periksa alamat, porta dan apakah sshd berjalan."),
    )
