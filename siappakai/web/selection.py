"""The villages somebody ticked on the list, or the whole of what its filter shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from flask import request

from siappakai.errors import InvalidInputError
from siappakai.models import Site
from siappakai.services import bulk, sites, villages
from siappakai.services.villages import Filters, VillageRow
from siappakai.wording import say


def wanted_filters(arguments: Mapping[str, str]) -> Filters:
    """Return the filters of the village list among `arguments`."""
    names = Filters.__annotations__
    return cast("Filters", {name: arguments[name] for name in names if arguments.get(name)})


def picked() -> list[VillageRow]:
    """Return the villages this form names; raises InvalidInputError when there are none."""
    whole = request.form.get("whole")
    rows = villages.every_village(**wanted_filters(request.form)) if whole else _ticked()
    if not rows:
        raise InvalidInputError(
            say("Tidak ada desa yang dipilih."),
            say("Centang paling sedikit satu desa, lalu ulangi."),
        )
    return rows


def picked_sites() -> list[Site]:
    """Return the living sites of the villages picked; raises InvalidInputError when none."""
    found = [row.site for row in picked() if row.site is not None and bulk.lives(row.site)]
    if not found:
        raise InvalidInputError(
            say("Desa yang dipilih belum punya situs."),
            say("Pilih desa yang situsnya sudah ada."),
        )
    return found


def _ticked() -> list[VillageRow]:
    found = (villages.get_village(code) for code in request.form.getlist("village"))
    return [VillageRow(village, sites.find_site(village.id)) for village in found]
