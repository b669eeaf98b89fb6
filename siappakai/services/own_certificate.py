"""The certificate this panel is reached by, as nginx shows it to everybody.

Its file is nginx's business; the panel's own account need not be able to read it.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from siappakai.errors import UnreachableError
from siappakai.gateways import tls
from siappakai.models import Setting, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_HTTPS: Final = 443
_TIMEOUT_SECONDS: Final = 3.0
_KEY: Final = "own_certificate"
_AGAIN_AFTER: Final = timedelta(minutes=5)


def is_used() -> bool:
    """Tell whether people reach this panel by a certificate of its own."""
    return bool(current_settings().certificate)


def name() -> str:
    """Return a name people type for this panel; of a whole domain, the domain."""
    names = [host for host in current_settings().allowed_hosts if host not in LOOPBACK]
    return names[0].lstrip(".") if names else "localhost"


def valid_until() -> datetime:
    """Return until when it holds; raises UnreachableError when nginx shows none."""
    return tls.valid_until("127.0.0.1", _HTTPS, name=name(), timeout=_TIMEOUT_SECONDS)


def is_due(now: datetime | None = None) -> bool:
    """Tell whether it is time to look at it."""
    kept = _kept()
    asked = kept.get("asked_at", "")
    return is_used() and (
        not asked or (now or utc_now()) - datetime.fromisoformat(asked) >= _AGAIN_AFTER
    )


def look(_number: int = 0) -> None:
    """Keep until when it holds. While nginx shows none, what was seen last stays."""
    seen = {**_kept(), "asked_at": utc_now().isoformat()}
    with suppress(UnreachableError):
        seen["until"] = valid_until().isoformat()
    with transaction() as session:
        session.merge(Setting(key=_KEY, value=seen, updated_by="lookout"))


def seen_until() -> datetime | None:
    """Return until when it holds by the last look; None before the first."""
    until = _kept().get("until", "")
    return datetime.fromisoformat(until) if until and is_used() else None


def _kept() -> dict[str, str]:
    stored = db.session.get(Setting, _KEY, populate_existing=True)
    return dict(stored.value) if stored is not None else {}
