"""SSH to a server, for enrolling it: pinned host keys only. Everything later is Ansible's."""

from __future__ import annotations

import binascii
import io
import logging
import shlex
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paramiko.hostkeys import HostKeyEntry

from siappakai.domain.hostkeys import HostKey
from siappakai.domain.servers import Answer, CommandFailedError
from siappakai.errors import InvalidInputError, RefusedError, UnreachableError
from siappakai.wording import say

_SUDO = ("sudo", "-n")
# What is read of a stream at once.
_PIECE = 1 << 18
_KEY_CLASSES = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
# Whatever goes wrong is raised as well; its tracebacks in the log would tell nobody more.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class HostKeyChangedError(RefusedError):
    """The machine shows another host key than the pinned or confirmed one."""


class WrongPasswordError(InvalidInputError):
    """The account exists or not; this password does not open it."""


class PasswordLoginOffError(RefusedError):
    """The machine does not take passwords at all."""


class KeyRefusedError(RefusedError):
    """The machine does not take this key for this account."""


class ServerTimeoutError(UnreachableError):
    """Something answered once, then no more, or nothing within the time limit."""


@dataclass(frozen=True, slots=True)
class Login:
    """Where to connect and who as; `host_key` is the only key that is accepted there.

    Either a password or the text of a private key. Neither is ever stored or logged.
    """

    address: str
    port: int
    user: str
    host_key: HostKey
    password: str | None = None
    private_key: str | None = None


class Connection:
    """An open SSH connection. `timeout` (seconds) is how long any single answer may take."""

    def __init__(self, client: paramiko.SSHClient, label: str, timeout: float) -> None:
        self._client = client
        self.label = label
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

    def sftp(self) -> paramiko.SFTPClient:
        """Return an SFTP session of its own, no answer of which may take longer."""
        client = self._client.open_sftp()
        client.get_channel().settimeout(self._timeout)  # type: ignore[union-attr] # it has just been opened
        return client

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
                return _authorize(sftp, line)
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
        with told(label), _judged(login):
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
        yield Connection(client, label, timeout)


def load_private_key(text: str) -> paramiko.PKey:
    """Return the private key written in `text`; raises InvalidInputError (`private_key`)."""
    for kind in _KEY_CLASSES:
        try:
            return kind.from_private_key(io.StringIO(text.strip() + "\n"))
        except paramiko.PasswordRequiredException:
            raise InvalidInputError(
                say("Kunci privat itu terkunci frasa sandi."),
                say("Berikan kunci tanpa frasa sandi, atau pakai kata sandi akun."),
                field="private_key",
            ) from None
        except (paramiko.SSHException, ValueError, UnsupportedAlgorithm, binascii.Error):
            continue
    raise InvalidInputError(
        say("Teks itu bukan kunci privat SSH yang dikenal."),
        say("Tempel berkas kunci Ed25519, ECDSA atau RSA seutuhnya."),
        field="private_key",
    )


def generate_key(comment: str) -> tuple[str, str]:
    """Return a new Ed25519 pair: the private key's text and the public key's line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), f"{public.decode()} {comment}"


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
    name = (
        login.address
        if login.port == paramiko.config.SSH_PORT
        else (f"[{login.address}]:{login.port}")
    )
    entry = HostKeyEntry.from_line(f"{name} {login.host_key.line}")
    if entry is None:
        raise ValueError(f"not a host key: {login.host_key.line!r}")
    client.get_host_keys().add(name, login.host_key.type, entry.key)


def _authorize(sftp: paramiko.SFTPClient, line: str) -> bool:
    _make_private_folder(sftp, ".ssh")
    present = _read(sftp, ".ssh/authorized_keys")
    if line in present.splitlines():
        sftp.chmod(".ssh/authorized_keys", 0o600)
        return False
    if present and not present.endswith("\n"):
        present += "\n"
    # Renamed into place: a broken link must not leave the account without its keys.
    with sftp.open(".ssh/authorized_keys.siappakai", "w") as file:
        sftp.chmod(".ssh/authorized_keys.siappakai", 0o600)
        file.write(f"{present}{line}\n")
    sftp.posix_rename(".ssh/authorized_keys.siappakai", ".ssh/authorized_keys")
    return True


def _make_private_folder(sftp: paramiko.SFTPClient, path: str) -> None:
    try:
        sftp.stat(path)
    except FileNotFoundError:
        sftp.mkdir(path, 0o700)
    sftp.chmod(path, 0o700)


def _read(sftp: paramiko.SFTPClient, path: str) -> str:
    try:
        with sftp.open(path) as file:
            return file.read().decode()
    except FileNotFoundError:
        return ""


@contextmanager
def _judged(login: Login) -> Iterator[None]:
    """Tell a refused host key, password and key apart."""
    try:
        yield
    except paramiko.BadHostKeyException as error:
        shown = HostKey(error.key.get_name(), error.key.get_base64()).fingerprint
        raise changed_host_key(login.address, login.host_key.fingerprint, shown) from None
    except paramiko.BadAuthenticationType as error:
        raise _login_refused(login, error.allowed_types) from None
    except paramiko.AuthenticationException:
        raise _login_refused(login, ["password", "publickey"]) from None


def changed_host_key(address: str, expected: str, shown: str) -> HostKeyChangedError:
    """Return the error for a machine that shows another host key than expected."""
    return HostKeyChangedError(
        say(
            "Kunci host %(address)s berubah: tersemat %(expected)s, kini %(shown)s.",
            address=address,
            expected=expected,
            shown=shown,
        ),
        say(
            "Bila server memang dipasang ulang, periksa sidik jari itu di servernya lalu "
            "sematkan yang baru; bila tidak, jangan teruskan: bisa jadi ada yang menyadap."
        ),
    )


def _login_refused(login: Login, allowed: list[str]) -> WrongPasswordError | RefusedError:
    who = f"akun “{login.user}” di {login.address}"
    if login.private_key is not None:
        return KeyRefusedError(
            say("Kunci SSH ditolak untuk %(who)s.", who=who),
            say("Pastikan kunci publiknya ada di ~/.ssh/authorized_keys akun itu."),
        )
    if not {"password", "keyboard-interactive"} & set(allowed):
        return PasswordLoginOffError(
            say("Server tidak menerima kata sandi untuk %(who)s.", who=who),
            say("Pakai kunci privat, atau tambahkan kunci publik panel ke akun itu."),
        )
    return WrongPasswordError(
        say("Kata sandi salah untuk %(who)s.", who=who),
        say("Periksa akun dan kata sandinya."),
        field="password",
    )


@contextmanager
def told(label: str) -> Iterator[None]:
    """Turn what paramiko and the network raise into errors for people."""
    try:
        yield
    except TimeoutError:
        raise ServerTimeoutError(
            say("Server %(label)s tidak menjawab dalam batas waktu.", label=label),
            say("Periksa jaringan, alamat dan tembok apinya, lalu coba lagi."),
        ) from None
    except (OSError, EOFError) as error:
        raise UnreachableError(
            say(
                "Server %(label)s tidak terjangkau: %(error)s.",
                label=label,
                error=str(error) or "sambungan putus",
            ),
            say("Periksa alamat, porta dan apakah sshd berjalan."),
        ) from None
    except paramiko.SSHException as error:
        raise UnreachableError(
            say(
                "Server %(label)s tidak berbicara SSH dengan benar: %(error)s.",
                label=label,
                error=error,
            ),
            say("Pastikan porta itu milik sshd."),
        ) from None
