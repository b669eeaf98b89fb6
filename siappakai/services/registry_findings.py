"""What is wrong with the registry's own backups now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from siappakai.domain.alerts import AlertKind, Finding, Severity
from siappakai.services import registry_backups

# So many nights without a backup are no passing trouble any more.
_LONG: Final = timedelta(days=3)


def look(now: datetime) -> Iterator[Finding]:
    """Find that the registry has no backup in any store since one was due."""
    found = registry_backups.standing(now)
    if not found.is_late:
        return
    last = found.newest.taken_at if found.newest is not None else None
    is_long = last is not None and now - last > _LONG
    yield Finding(
        AlertKind.REGISTRY_UNSAVED,
        "registry",
        "registri",
        Severity.CRITICAL if is_long else Severity.WARNING,
        f"{now:%Y-%m-%d}",
        {"last": last.isoformat() if last else "", "failure": str(found.failure) or "—"},
    )
