"""Where the panel listens: on this machine alone, unless what it says is encrypted."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv6Address, ip_address

from siappakai.config import Settings
from siappakai.errors import InvalidInputError
from siappakai.wording import say


def listen_address(settings: Settings, *, is_encrypted: bool) -> str:
    """Return `host:port` as servers write it; raises InvalidInputError (field `host`).

    Other machines reach a panel only encrypted: a login and its cookie would otherwise pass in
    clear.
    """
    if not (is_encrypted or _is_own(settings.host)):
        raise InvalidInputError(
            say("host %(host)s membuka panel ke jaringan tanpa enkripsi.", host=settings.host),
            say(
                "Pakai host = “127.0.0.1”, atau isi certificate dan certificate_key. Bila proksi"
                " di depannya yang memegang sertifikat: secure_cookies = true."
            ),
            field="host",
        )
    is_v6 = False
    with suppress(ValueError):
        is_v6 = isinstance(ip_address(settings.host), IPv6Address)
    return f"[{settings.host}]:{settings.port}" if is_v6 else f"{settings.host}:{settings.port}"


def _is_own(host: str) -> bool:
    """Tell whether only this machine itself can reach an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False  # a name may lead anywhere
