"""What can go wrong on the way to a server, told apart and told to people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import paramiko

from siappakai.domain.hostkeys import HostKey
from siappakai.errors import InvalidInputError, RefusedError, UnreachableError
from siappakai.wording import say


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

    @property
    def known_as(self) -> str:
        """What the machine is called in a list of known hosts."""
        is_usual = self.port == paramiko.config.SSH_PORT
        return self.address if is_usual else f"[{self.address}]:{self.port}"


@contextmanager
def judged(login: Login) -> Iterator[None]:
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
