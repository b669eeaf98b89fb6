"""Ansible filters: what the calls of `site_install` reported, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Reports = dict[str, dict[str, Any]]


def reports(calls: Iterable[Mapping[str, Any]]) -> Reports:
    """Return the report of each site, by slug; `calls` are the results of a loop."""
    return {
        slug: report
        for call in calls
        for slug, report in (call.get("installed") or call.get("reported") or {}).items()
    }


def installed(sites: Iterable[Mapping[str, Any]], told: Reports) -> list[Mapping[str, Any]]:
    """Return the sites of which no failure was reported."""
    return [site for site in sites if not told.get(site["slug"], {"failed": True})["failed"]]


class FilterModule:
    """Names the filters for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"reports": reports, "installed": installed}
