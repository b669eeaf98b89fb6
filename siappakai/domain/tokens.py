"""API tokens: how one is written, what it may do, how long it lives."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from siappakai.errors import InvalidInputError
from siappakai.wording import say

LONGEST_DAYS: Final = 365
NAME_LENGTH: Final = 60
HANDLE_BYTES: Final = 4
SECRET_BYTES: Final = 32

# A beginning of its own, so that scanners for leaked secrets know it; then the public handle.
_FORM: Final = re.compile(r"siappakai_([0-9a-f]{8})_([A-Za-z0-9_-]{43})", re.ASCII)


class Scope(StrEnum):
    """One thing a token may be allowed; each has a least role (services.permissions)."""

    VILLAGES_READ = "villages:read"
    VILLAGES_WRITE = "villages:write"
    SERVERS_READ = "servers:read"
    SERVERS_CHECK = "servers:check"
    RELEASES_READ = "releases:read"
    SITES_INSTALL = "sites:install"
    SITES_CHECK = "sites:check"
    SITES_REMOVE = "sites:remove"
    RUNS_READ = "runs:read"
    RUNS_WRITE = "runs:write"
    ALERTS_READ = "alerts:read"


class TokenState(StrEnum):
    """Whether a token still opens anything."""

    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class TokenParts:
    """A token taken apart: its public handle, and the hash of the whole."""

    handle: str
    digest: str


def write_token(handle: str, secret: str) -> str:
    """Return the token a caller sends."""
    return f"siappakai_{handle}_{secret}"


def read_token(text: str) -> TokenParts | None:
    """Return the parts of what a caller sent; None when it is no token of ours."""
    match = _FORM.fullmatch(text)
    return TokenParts(match.group(1), hash_token(text)) if match else None


def hash_token(text: str) -> str:
    """Return what the registry keeps of a token.

    A slow, salted hash protects what people can guess. A token holds 256 random bits, which
    nobody guesses at any speed; a fast hash hides it as well and costs each request nothing.
    """
    return hashlib.sha256(text.encode()).hexdigest()


def check_name(text: str) -> str:
    """Return a token's name, its spaces tidied; raises InvalidInputError (field `name`)."""
    name = " ".join(text.split())
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        raise InvalidInputError(
            say("Nama token “%(name)s” tidak sah.", name=name[:40]),
            say("Isi 1 sampai %(most)s huruf: untuk apa token ini dipakai.", most=NAME_LENGTH),
            field="name",
        )
    return name


def check_days(days: int) -> int:
    """Return for how many days a token shall live; raises InvalidInputError (field `days`)."""
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidInputError(
            say("Masa berlaku %(days)s hari tidak sah.", days=days),
            say("Pilih 1 sampai %(most)s hari.", most=LONGEST_DAYS),
            field="days",
        )
    return days


def check_scopes(wanted: Collection[str], allowed: Sequence[Scope]) -> list[Scope]:
    """Return the scopes in `wanted`, in order; raises InvalidInputError (field `scopes`).

    There must be at least one, and each among those `allowed`.
    """
    odd = sorted(set(wanted) - set(allowed))
    if odd:
        raise InvalidInputError(
            say("Cakupan “%(scope)s” tidak tersedia bagi peran itu.", scope=odd[0][:40]),
            say("Pilih dari: %(allowed)s.", allowed=", ".join(allowed)),
            field="scopes",
        )
    if not wanted:
        raise InvalidInputError(
            say("Token ini belum boleh apa-apa."),
            say("Pilih paling sedikit satu cakupan."),
            field="scopes",
        )
    return [scope for scope in Scope if scope in wanted]
