"""Ansible filter: which villages were taken over, from the facts of their hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def adopted(
    sites: Iterable[Mapping[str, Any]], hostvars: Mapping[str, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return the sites of which `site_adopt` came to its end."""
    return [
        site
        for site in sites
        if not hostvars[site["slug"]].get("adoption_result", {"failed": True}).get("failed", False)
    ]


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"adopted": adopted}
