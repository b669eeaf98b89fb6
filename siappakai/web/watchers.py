"""Machines that watch the panel: admitted by address or by token, where people need a login."""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import ip_address
from typing import Final

from flask import request
from flask.typing import ResponseReturnValue

from siappakai.config import Settings
from siappakai.models.app import current_settings

# Left by a proxy. Where none is to be believed, the address is the proxy's and not the caller's:
# a panel behind nginx would otherwise take the whole world for this machine.
_TRACES_OF_PROXIES: Final = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-IP")
_PLAIN: Final = {"Content-Type": "text/plain"}


def admit() -> ResponseReturnValue | None:
    """Return None for a machine that may watch, else the refusal."""
    settings = current_settings()
    if _is_near(settings) or _knows_token(settings):
        return None
    if settings.metrics_token_sha256:
        return "token required\n", 401, {**_PLAIN, "WWW-Authenticate": "Bearer"}
    return "not allowed from here; see metrics_allowed\n", 403, _PLAIN


def _is_near(settings: Settings) -> bool:
    if not settings.trusted_proxies and any(name in request.headers for name in _TRACES_OF_PROXIES):
        return False
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        return False  # a unix socket has no address
    # A socket of both families tells 10.0.0.9 as ::ffff:10.0.0.9.
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in settings.metrics_allowed)


def _knows_token(settings: Settings) -> bool:
    given = request.authorization
    if not settings.metrics_token_sha256 or given is None or given.type != "bearer":
        return False
    # The token is random and long: a fast hash hides it as well as a slow one.
    found = hashlib.sha256((given.token or "").encode()).hexdigest()
    return hmac.compare_digest(found, settings.metrics_token_sha256)
