"""Ansible filter: what `gabungan_merge` is told of each village."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

_OF_THE_SITE = ("slug", "database", "code", "run_token", "identity")


def merge_orders(
    sites: Iterable[Mapping[str, Any]], places: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return one order per site: what it is, and its place in the gabungan."""
    return [
        {**{name: site[name] for name in _OF_THE_SITE}, **places[site["slug"]]} for site in sites
    ]


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"merge_orders": merge_orders}
