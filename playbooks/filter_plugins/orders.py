"""Ansible filter: what `site_install` is told of each site, from the variables of its host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def orders(slugs: Iterable[str], hostvars: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one order per site; `site_files` is rendered with the variables of its host."""
    return [_order(hostvars[slug]) for slug in slugs]


def _order(host: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "release": host["release"],
        "site": host["site"],
        "secrets": host["secrets"],
        "files": host["site_files"],
        "release_problem": host["release_problem"],
    }


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"orders": orders}
