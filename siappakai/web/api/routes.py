"""Every operation of the API, put together."""

from __future__ import annotations

from siappakai.web.api import alerts, document, imports, releases, runs, servers, sites, villages
from siappakai.web.api.operations import blueprint
from siappakai.web.api.pace import limiter

__all__ = [
    "alerts",
    "blueprint",
    "document",
    "imports",
    "limiter",
    "releases",
    "runs",
    "servers",
    "sites",
    "villages",
]
