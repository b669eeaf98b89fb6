"""SSH to a server, for enrolling it: pinned host keys only. Everything later is Ansible's."""

from __future__ import annotations

import logging
import shlex
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress

import paramiko
from paramiko.hostkeys import HostKeyEntry

from siappakai.domain.hostkeys import HostKey
from siappakai.domain.servers import Answer, CommandFailedError
from siappakai.errors import RefusedError
from siappakai.ssh.authorized_keys import authorize
from siappakai.ssh.carrier import carried
from siappakai.ssh.keypairs import generate_key, load_private_key
from siappakai.ssh.refusals import (
    HostKeyChangedError,
    KeyRefusedError,
    Login,
    PasswordLoginOffError,
    ServerTimeoutError,
    WrongPasswordError,
    changed_host_key,
    judged,
    told,
)
from siappakai.wording import say

__all__ = [
    "Connection",
    "HostKeyChangedError",
    "KeyRefusedError",
    "Login",
    "PasswordLoginOffError",
    "ServerTimeoutError",
    "WrongPasswordError",
    "changed_host_key",
    "connect",
    "fetch_host_key",
    "generate_key",
    "load_private_key",
    "told",
]

_SUDO = ("sudo", "-n")
# What is read of a stream at once.
_PIECE = 1 << 18
# Whatever goes wrong is raised as well; its tracebacks in the log would tell nobody more.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class Connection:
    """An open SSH connection. `timeout` (seconds) is how long any single answer may take."""

    def __init__(self, client: paramiko.SSHClient, login: Login, timeout: float) -> None:
        self._client = client
        self._login = login
        self.label = f"{login.address}:{login.port}"
        self._timeout = timeout

    def run(self, argv: Sequence[str], *, stdin: str = "") -> Answer:
        """Run `argv` and return how it ended; raises UnreachableError when the link breaks."""
        with told(self.label):
            given, output, error = self._client.exec_command(
                shlex.join(argv), timeout=self._timeout
            )
            with suppress(OSError):
                # Fails when the command ended without reading; its answer says why.
                given.write(stdin)
                given.channel.shutdown_write()
            text, complaint = output.read(), error.read()
            code = _exit_code(output.channel, self._timeout)
        return Answer(code, text.decode(errors="replace"), complaint.decode(errors="replace"))

    def sftp(self) -> AbstractContextManager[paramiko.SFTPClient]:
        """Open an SFTP session of its own, no answer of which may take longer."""
        return carried(self._login, self._timeout)

    def stream(self, argv: Sequence[str]) -> Iterator[bytes]:
        """Yield what `argv` writes, piece by piece; raises UnreachableError, CommandFailedError."""
        with told(self.label):
            given, output, error = self._client.exec_command(
                shlex.join(argv), timeout=self._timeout
            )
            given.channel.shutdown_write()
            while piece := output.channel.recv(_PIECE):
                yield piece
            if _exit_code(output.channel, self._timeout) != 0:
                raise _failed(self.label, argv, error.read())

    def feed(self, argv: Sequence[str], pieces: Iterable[bytes]) -> None:
        """Give `argv` the pieces to read; raises UnreachableError, CommandFailedError."""
        with told(self.label):
            given, output, error = self._client.exec_command(
                shlex.join(argv), timeout=self._timeout
            )
            for piece in pieces:
                given.channel.sendall(piece)
            given.channel.shutdown_write()
            if _exit_code(output.channel, self._timeout) != 0:
                raise _failed(self.label, argv, error.read())

    def install_public_key(self, line: str) -> bool:
        """Add a public key to the account's authorized_keys; say whether it was missing."""
        with told(self.label), self._client.open_sftp() as sftp:
            try:
                return authorize(sftp, line)
            except PermissionError:
                raise RefusedError(
                    say(
                        "Server %(label)s menolak mengubah ~/.ssh/authorized_keys.",
                        label=self.label,
                    ),
                    say("Periksa pemilik dan hak folder .ssh akun itu."),
                ) from None


def fetch_host_key(address: str, port: int, timeout: float) -> HostKey:
    """Ask a machine for its host key, to be confirmed by a person before anything else.

    Raises UnreachableError, ServerTimeoutError.
    """
    label = f"{address}:{port}"
    with (
        told(label),
        socket.create_connection((address, port), timeout=timeout) as plain,
        paramiko.Transport(plain) as transport,
    ):
        transport.banner_timeout = timeout
        transport.start_client(timeout=timeout)
        key = transport.get_remote_server_key()
        return HostKey(key.get_name(), key.get_base64())


@contextmanager
def connect(login: Login, timeout: float) -> Iterator[Connection]:
    """Open a connection; only the pinned host key is accepted.

    Raises HostKeyChangedError, WrongPasswordError, PasswordLoginOffError, KeyRefusedError,
    UnreachableError, ServerTimeoutError, or InvalidInputError (field `private_key`).
    """
    label = f"{login.address}:{login.port}"
    key = None if login.private_key is None else load_private_key(login.private_key)
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        _pin(client, login)
        with told(label), judged(login):
            client.connect(
                login.address,
                login.port,
                login.user,
                password=login.password,
                pkey=key,
                timeout=timeout,
                banner_timeout=timeout,
                auth_timeout=timeout,
                channel_timeout=timeout,
                allow_agent=False,
                look_for_keys=False,
            )
        yield Connection(client, login, timeout)


def _failed(label: str, argv: Sequence[str], said: bytes) -> CommandFailedError:
    return CommandFailedError(
        say(
            "%(program)s di server %(label)s gagal: %(said)s",
            program=next((word for word in argv if word not in _SUDO), ""),
            label=label,
            said=said.decode(errors="replace").strip()[-300:],
        ),
        say("Periksa berkas, disk dan haknya di sana, lalu coba lagi."),
    )


def _exit_code(channel: paramiko.Channel, timeout: float) -> int:
    # paramiko itself would wait for ever on a link that is cut just now.
    if not channel.status_event.wait(timeout):
        raise TimeoutError
    if channel.exit_status < 0:
        raise EOFError
    return channel.exit_status


def _pin(client: paramiko.SSHClient, login: Login) -> None:
    entry = HostKeyEntry.from_line(f"{login.known_as} {login.host_key.line}")
    if entry is None:
        raise ValueError(f"not a host key: {login.host_key.line!r}")
    client.get_host_keys().add(login.known_as, login.host_key.type, entry.key)
