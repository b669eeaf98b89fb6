"""What is wrong with the certificates that sites, and this panel, are served with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from siappakai.domain.alerts import AlertKind, Finding, Severity, certificate_severity
from siappakai.domain.states import SiteState
from siappakai.models import Site
from siappakai.models.app import current_settings
from siappakai.services import own_certificate

_SERVED: Final = (SiteState.ACTIVE, SiteState.BROKEN)


def look(session: Session, now: datetime) -> Iterator[Finding]:
    """Find certificates that run out, or are not there any more."""
    return chain(_of_sites(session, now), _own(now))


def _of_sites(session: Session, now: datetime) -> Iterator[Finding]:
    """Look at each file once, for all sites that share it."""
    certified = (
        select(Site)
        .where(Site.certificate != "", Site.state != SiteState.REMOVED)
        .order_by(Site.server_id, Site.certificate, Site.id)
    )
    shared = groupby(session.scalars(certified), lambda site: (site.server_id, site.certificate))
    for _, group in shared:
        sites = list(group)
        yield from chain(_missing(sites), _expiring(sites, now))


def _missing(sites: Sequence[Site]) -> Iterator[Finding]:
    """Find that the last look at a server met no certificate where one is served."""
    site = sites[0]
    seen = site.server.facts.get("certificates", {}).get(site.certificate)
    if seen == "" and any(one.state in _SERVED for one in sites):
        known = {"path": site.certificate, "server": site.server.name}
        yield Finding(
            AlertKind.CERTIFICATE_MISSING,
            _subject(site),
            _label(sites),
            Severity.CRITICAL,
            site.certificate,
            known,
        )


def _expiring(sites: Sequence[Site], now: datetime) -> Iterator[Finding]:
    site = sites[0]
    expiry = site.certificate_expires_at
    judged = certificate_severity(expiry - now) if expiry is not None else None
    if expiry is None or judged is None:
        return
    days, severity = judged
    yield Finding(
        AlertKind.CERTIFICATE_EXPIRING,
        _subject(site),
        _label(sites),
        severity,
        f"{expiry.isoformat()} {days}",
        {"until": expiry.isoformat(), "path": site.certificate, "server": site.server.name},
    )


def _own(now: datetime) -> Iterator[Finding]:
    """Find that the panel's own certificate runs out, by the last look at it."""
    expiry = own_certificate.seen_until()
    judged = certificate_severity(expiry - now) if expiry is not None else None
    if expiry is not None and judged is not None:
        days, severity = judged
        path, until = current_settings().certificate, expiry.isoformat()
        yield Finding(
            AlertKind.CERTIFICATE_EXPIRING,
            "panel",
            f"panel ({own_certificate.name()})",
            severity,
            f"{until} {days}",
            {"until": until, "path": path, "server": own_certificate.name()},
        )


def _subject(site: Site) -> str:
    file = hashlib.sha256(site.certificate.encode()).hexdigest()[:16]
    return f"server:{site.server_id}:certificate:{file}"


def _label(sites: Sequence[Site]) -> str:
    others = len(sites) - 1
    return f"{sites[0].domain} (+{others})" if others else sites[0].domain
