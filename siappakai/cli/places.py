"""`siappakai regency`: the regency this panel serves, and its districts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import click

from siappakai.cli.command import Group
from siappakai.cli.context import actor
from siappakai.cli.output import Column, Listing
from siappakai.domain.codes import dotted
from siappakai.models import District, Regency
from siappakai.services import places


@dataclass(frozen=True, slots=True)
class RegencyRecord:
    """The regency (kabupaten) and the words its people use."""

    code: Annotated[str, Column("Kode", "code of the regency, dotted")]
    name: Annotated[str, Column("Kabupaten", "its name")]
    province_code: Annotated[str, Column("Kode provinsi", "code of its province")]
    province: Annotated[str, Column("Provinsi", "name of its province")]
    village_word: Annotated[str, Column("Sebutan desa", "desa, nagari …")]
    hamlet_word: Annotated[str, Column("Sebutan dusun", "dusun, jorong …")]
    has_official_list: Annotated[bool, Column("Daftar resmi", "whether it was loaded")]


@dataclass(frozen=True, slots=True)
class DistrictRecord:
    """A district (kecamatan) of the regency."""

    code: Annotated[str, Column("Kode", "code of the district, dotted")]
    name: Annotated[str, Column("Kecamatan", "its name")]


regency = Group("regency", help="Set the regency this panel serves, and its districts.")


@regency.command("show", example="siappakai regency show")
def get_regency() -> RegencyRecord:
    """Show the regency this panel serves."""
    return _record(places.get_regency())


@regency.command(
    "set", changes=True, example="siappakai regency set 51.02 --name Tabanan --province Bali"
)
@click.argument("code")
@click.option("--name", required=True, help="Name of the regency.")
@click.option("--province", required=True, help="Name of its province.")
@click.option("--village-word", default="desa", show_default=True, help="desa, nagari …")
@click.option("--hamlet-word", default="dusun", show_default=True, help="dusun, jorong …")
def set_regency(
    code: str, *, name: str, province: str, village_word: str, hamlet_word: str
) -> RegencyRecord:
    """Set the regency this panel serves, or change its names and words."""
    found = places.set_regency(
        code=code,
        name=name,
        province_name=province,
        village_word=village_word,
        hamlet_word=hamlet_word,
        by=actor(),
    )
    return _record(found)


@regency.command("districts", example="siappakai regency districts")
def list_districts() -> Listing[DistrictRecord]:
    """List the districts that are registered."""
    return Listing.of(_district(one) for one in places.list_districts())


@regency.command(
    "set-district",
    changes=True,
    example="siappakai regency set-district 51.02.01 --name Selemadeg",
)
@click.argument("code")
@click.option("--name", required=True, help="Name of the district.")
def set_district(code: str, name: str) -> DistrictRecord:
    """Register a district of the regency, or rename it."""
    return _district(places.set_district(code=code, name=name, by=actor()))


def _record(found: Regency) -> RegencyRecord:
    return RegencyRecord(
        code=dotted(found.code),
        name=found.name,
        province_code=found.province_code,
        province=found.province_name,
        village_word=found.village_word,
        hamlet_word=found.hamlet_word,
        has_official_list=places.has_official_list(),
    )


def _district(found: District) -> DistrictRecord:
    return DistrictRecord(dotted(found.code), found.name)
