"""Every operation of the API, put together."""

from __future__ import annotations

from siappakai.web.api import (
    alerts,
    document,
    imports,
    pace,
    releases,
    runs,
    servers,
    sites,
    villages,
)
from siappakai.web.api.operations import blueprint

__all__ = [
    "alerts",
    "blueprint",
    "document",
    "imports",
    "pace",
    "releases",
    "runs",
    "servers",
    "sites",
    "villages",
]
