"""What a machine must be to serve: the facts a probe brings back, and the rules they keep."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from siappakai.domain.naming import Services, check_php, server_layout
from siappakai.errors import InvalidInputError, RefusedError, UnreachableError
from siappakai.wording import say

OLDEST_PYTHON = (3, 9)
# Supported and run by us; tried by others; anything else is refused.
SUPPORTED = frozenset({("debian", "12"), ("debian", "13")})
UNTESTED = frozenset({("ubuntu", "22.04"), ("ubuntu", "24.04")})
_PACKAGED_PHP = {
    ("debian", "12"): "8.2",
    ("debian", "13"): "8.4",
    ("ubuntu", "22.04"): "8.1",
    ("ubuntu", "24.04"): "8.3",
}
_NAME = re.compile(r"[\w][\w .()-]{0,58}[\w)]")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
# A host name, an IPv4 or an IPv6 address; never something ssh could take for an option.
_ADDRESS = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z.-]{0,252}[0-9A-Za-z])?|[0-9A-Fa-f:]{2,45}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = range(1, 65536)
_PARALLEL = range(1, 65)


class MissingSudoError(RefusedError):
    """The account may not become root without a password."""


class PythonMissingError(RefusedError):
    """There is no Python 3 that Ansible could use."""


class UnsupportedSystemError(RefusedError):
    """The operating system is none we know."""


class DiskTooSmallError(RefusedError):
    """Too little room below the root folder."""


class CommandFailedError(UnreachableError):
    """The machine answers; what it was asked to run there failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command on a machine ended."""

    code: int
    output: str
    error: str


class Shell(Protocol):
    """A way to run commands on a machine: over SSH, or right here."""

    def run(self, argv: Sequence[str], *, stdin: str = "") -> Answer: ...

    def stream(self, argv: Sequence[str]) -> Iterator[bytes]: ...

    def feed(self, argv: Sequence[str], pieces: Iterable[bytes]) -> None: ...


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP port somebody listens on; `process` is empty when it is not known."""

    address: str
    port: int
    process: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a probe saw. Sizes are bytes, `clock` seconds since 1970, `disk_*` of the root folder.

    `mariadb` is the installed version, `php_versions` those with PHP-FPM installed.
    """

    system: str
    system_version: str
    system_name: str
    python: str
    systemd: bool
    cpus: int
    memory_bytes: int
    memory_free_bytes: int
    disk_bytes: int
    disk_free_bytes: int
    mariadb: str
    mariadb_running: bool
    php_versions: tuple[str, ...]
    clock: float
    listeners: tuple[Listener, ...]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the facts printed by the probe script (or stored from it)."""
        known = {key: data[key] for key in cls.__dataclass_fields__}
        known["php_versions"] = tuple(data["php_versions"])
        known["listeners"] = tuple(Listener(**item) for item in data["listeners"])
        return cls(**known)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def suggested_php(self) -> tuple[str, ...]:
        """The PHP versions to serve with: the installed ones, else the system's own package."""
        packaged = _PACKAGED_PHP.get((self.system, self.system_version), "8.2")
        return self.php_versions or (packaged,)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How a server is laid out on its machine; see domain.naming for what each part means.

    `php_versions` empty means those found there, `parallelism` (sites worked on at once) 0
    as many as it has CPUs.
    """

    services: Services = "system"
    prefix: str = "sp"
    root: str = "/srv/siappakai"
    http_address: str = ""
    http_port: int = 80
    https_port: int = 443
    php_versions: tuple[str, ...] = ()
    parallelism: int = 0

    def check(self) -> None:
        """Raise InvalidInputError naming the first bad field."""
        check_port(self.http_port, "http_port")
        check_port(self.https_port, "https_port")
        if self.http_port == self.https_port:
            raise InvalidInputError(
                say("Porta HTTP dan HTTPS sama."), say("Pakai dua porta."), field="https_port"
            )
        if self.parallelism:
            check_parallelism(self.parallelism)
        server_layout(
            prefix=self.prefix,
            root=self.root,
            services=self.services,
            php_versions=self.php_versions,
            http_address=check_http_address(self.http_address),
        )


STANDARD = Arrangement()


def check_facts(facts: Facts, *, min_free_bytes: int) -> None:
    """Refuse a machine that cannot serve.

    Raises UnsupportedSystemError or DiskTooSmallError.
    """
    system = (facts.system, facts.system_version)
    if system not in SUPPORTED | UNTESTED:
        raise UnsupportedSystemError(
            say("Sistem operasi “%(system_name)s” tidak didukung.", system_name=facts.system_name),
            say("Pakai Debian 12 atau 13 (Ubuntu 22.04 dan 24.04 boleh, tetapi belum teruji)."),
        )
    if facts.disk_free_bytes < min_free_bytes:
        raise DiskTooSmallError(
            say(
                "Ruang kosong server %(free)s, diperlukan sedikitnya %(needed)s.",
                free=_gib(facts.disk_free_bytes),
                needed=_gib(min_free_bytes),
            ),
            say("Kosongkan atau perbesar cakram, atau pilih folder akar pada cakram lain."),
        )


def find_warnings(
    facts: Facts, *, skew_seconds: float, max_skew_seconds: float, web_ports: tuple[int, ...]
) -> list[str]:
    """Return what an admin should know of a machine although it may serve."""
    warnings: list[str] = []
    if (facts.system, facts.system_version) in UNTESTED:
        warnings.append(
            say(
                "%(system_name)s belum teruji; yang teruji Debian 12 dan 13.",
                system_name=facts.system_name,
            )
        )
    if abs(skew_seconds) > max_skew_seconds:
        warnings.append(
            say(
                "Jam server berselisih %(seconds)s detik; nyalakan sinkronisasi waktu (NTP).",
                seconds=f"{skew_seconds:+.0f}",
            )
        )
    warnings += [
        say(
            "Porta %(port)s sudah dipakai oleh %(process)s.",
            port=item.port,
            process=item.process or say("program lain"),
        )
        for item in facts.listeners
        if item.port in web_ports and item.process != "nginx"
    ]
    return list(dict.fromkeys(warnings))


def check_address(text: str) -> str:
    """Return a host name or IP address; raises InvalidInputError (field `address`)."""
    return _checked(_ADDRESS, text, "address", say("Isi nama host atau alamat IP.")).lower()


def check_user(text: str) -> str:
    """Return the name of a Unix account; raises InvalidInputError (field `user`)."""
    return _checked(_USER, text, "user", say("Isi nama akun di server, misalnya siappakai."))


def check_name(text: str) -> str:
    """Return what a server is called; raises InvalidInputError (field `name`)."""
    return _checked(_NAME, text, "name", say("Pakai 2-60 huruf, angka, spasi, titik atau setrip."))


def check_port(port: int, field: str) -> int:
    """Return a TCP port; raises InvalidInputError naming `field`."""
    if port not in _PORTS:
        raise InvalidInputError(
            say("Porta %(port)s tidak sah.", port=port), say("Pakai 1 sampai 65535."), field=field
        )
    return port


def check_http_address(text: str) -> str:
    """Return the IP address to listen on, or "" for all; raises InvalidInputError."""
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        raise InvalidInputError(
            say("Alamat HTTP “%(text)s” tidak sah.", text=text),
            say("Isi satu alamat IP server, atau kosongkan untuk semuanya."),
            field="http_address",
        ) from None


def check_php_versions(versions: Sequence[str]) -> list[str]:
    """Return PHP versions, at least one; raises InvalidInputError (field `php`)."""
    if not versions:
        raise InvalidInputError(
            say("Versi PHP kosong."), say("Pilih sedikitnya satu."), field="php"
        )
    return [check_php(version) for version in versions]


def check_parallelism(count: int) -> int:
    """Return how many sites are worked on at once; raises InvalidInputError (`parallelism`)."""
    if count not in _PARALLEL:
        raise InvalidInputError(
            say("Kesejajaran %(count)s tidak sah.", count=count),
            say("Pakai 1 sampai 64."),
            field="parallelism",
        )
    return count


def machine_of(address: str) -> str:
    """Return what tells machines apart: the address, one for all names of this machine."""
    return "localhost" if address.lower() in _LOOPBACK else address.lower()


def known_hosts_line(address: str, port: int, host_key: str) -> str:
    """Return the known_hosts line that pins `host_key` (type and base64) for an address."""
    name = address if port == 22 else f"[{address}]:{port}"  # noqa: PLR2004 - ssh's own port is written bare
    return f"{name} {host_key}\n"


def _checked(pattern: re.Pattern[str], text: str, field: str, todo: str) -> str:
    value = text.strip()
    if pattern.fullmatch(value) is None:
        raise InvalidInputError(
            say("Nilai “%(value)s” tidak sah untuk %(field)s.", value=value, field=field),
            todo,
            field=field,
        )
    return value


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
