"""The certificate this panel is reached by, as nginx shows it to everybody.

Its file is nginx's business; the panel's own account need not be able to read it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from siappakai.gateways import tls
from siappakai.models.app import current_settings

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_HTTPS: Final = 443
_TIMEOUT_SECONDS: Final = 3.0


def is_used() -> bool:
    """Tell whether people reach this panel by a certificate of its own."""
    return bool(current_settings().certificate)


def name() -> str:
    """Return the name people type for this panel."""
    names = [host for host in current_settings().allowed_hosts if host not in LOOPBACK]
    return names[0] if names else "localhost"


def valid_until() -> datetime:
    """Return until when it holds; raises UnreachableError when nginx shows none."""
    return tls.valid_until("127.0.0.1", _HTTPS, name=name(), timeout=_TIMEOUT_SECONDS)
