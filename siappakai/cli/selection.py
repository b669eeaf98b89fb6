"""Which sites a command works on: the villages named, or the whole of a filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from siappakai.domain.codes import dotted
from siappakai.domain.states import SiteState
from siappakai.errors import InvalidInputError, NotFoundError
from siappakai.models import Site
from siappakai.services import sites, villages

F = TypeVar("F", bound=Callable[..., Any])


def selection_options(function: F) -> F:
    """Add the arguments and options that `sites_selected` takes."""
    codes = click.argument("codes", nargs=-1, metavar="[CODE]...")
    server = click.option("--server", default="", help="All on this server (name).")
    district = click.option("--district", default="", help="All of this district (code).")
    state = click.option(
        "--state", type=click.Choice([one.value for one in SiteState]), help="All in this state."
    )
    return codes(server(district(state(function))))


def sites_selected(
    codes: tuple[str, ...], *, server: str, district: str, state: str | None
) -> list[Site]:
    """Return the sites of the villages named, or all that match the filters.

    Raises InvalidInputError when neither or both are given, or nothing matches, NotFoundError
    when a village named has no site.
    """
    filters: villages.Filters = {"server": server, "district": district, "state": state or ""}
    if bool(codes) == any(filters.values()):
        raise InvalidInputError(
            "Sebutkan desa atau saringan, tidak keduanya.",
            "Beri kode desa, atau --server, --district, --state.",
            field="codes",
        )
    found = [site_of(code) for code in codes] if codes else _matching(filters)
    if not found:
        raise InvalidInputError(
            "Tidak ada situs yang cocok.", "Periksa dengan: siappakai site list.", field="codes"
        )
    return found


def site_of(code: str) -> Site:
    """Return the OpenSID site of a village; raises NotFoundError."""
    village = villages.get_village(code)
    found = sites.find_site(village.id)
    if found is None:
        raise NotFoundError(
            f"{village.name} ({dotted(village.code)}) belum punya situs.",
            f"Rencanakan dahulu: siappakai site plan {dotted(village.code)} …",
        )
    return found


def _matching(filters: villages.Filters) -> list[Site]:
    rows = villages.every_village(**filters)
    return [row.site for row in rows if row.site is not None]
