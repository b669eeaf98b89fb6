"""`siappakai village`: the villages of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import click

from siappakai.cli.asking import agree, yes_option
from siappakai.cli.command import Group
from siappakai.cli.context import actor
from siappakai.cli.output import Column, Listing, listing
from siappakai.cli.paging import page_options
from siappakai.domain.codes import dotted
from siappakai.domain.states import SiteState
from siappakai.models import Village
from siappakai.services import sites, villages
from siappakai.services.paging import MAX_PER_PAGE
from siappakai.services.villages import NO_SITE, VillageRow


@dataclass(frozen=True, slots=True)
class VillageRecord:
    """A village with its OpenSID site, whose fields are null when it has none."""

    code: Annotated[str, Column("Kode", "kode desa, dotted")]
    name: Annotated[str, Column("Desa", "name of the village")]
    district: Annotated[str, Column("Kecamatan", "name of its district")]
    domain: Annotated[str | None, Column("Domain", "domain of its site")]
    server: Annotated[str | None, Column("Server", "name of the server that holds the site")]
    release: Annotated[str | None, Column("Rilis", "version the site serves")]
    state: Annotated[str | None, Column("Keadaan", "state of the site (SiteState)")]
    is_copy: Annotated[bool, Column("Salinan latihan", "whether it is none, but a training copy")]


@dataclass(frozen=True, slots=True)
class VillageDetail:
    """A village and the places it belongs to."""

    code: Annotated[str, Column("Kode", "kode desa, dotted")]
    plain_code: Annotated[str, Column("Kode polos", "kode desa, ten digits")]
    name: Annotated[str, Column("Desa", "name of the village")]
    district_code: Annotated[str, Column("Kode kecamatan", "code of its district, dotted")]
    district: Annotated[str, Column("Kecamatan", "name of its district")]
    regency: Annotated[str, Column("Kabupaten", "name of its regency")]
    province: Annotated[str, Column("Provinsi", "name of its province")]
    domain: Annotated[str | None, Column("Domain", "domain of its site, null without one")]
    state: Annotated[str | None, Column("Keadaan", "state of its site, null without one")]
    copy_of: Annotated[
        str | None, Column("Salinan dari", "kode desa it is a training copy of, null for none")
    ]
    created_at: Annotated[datetime, Column("Didaftarkan", "when it was registered")]
    updated_at: Annotated[datetime, Column("Diubah", "when it was last changed")]


@dataclass(frozen=True, slots=True)
class DeletedVillage:
    """The village that was taken out of the registry."""

    code: Annotated[str, Column("Kode", "kode desa, dotted")]


village = Group("village", help="Register, find, import and export villages.")


@village.command("list", example="siappakai village list --district 51.02.01 --state active")
@click.option("--query", default="", help="Part of a name, code or domain.")
@click.option("--district", default="", help="Code of a district (kecamatan).")
@click.option("--server", default="", help="Name of a server.")
@click.option("--release", default="", help="Version the site serves.")
@click.option(
    "--state",
    type=click.Choice([NO_SITE, *(one.value for one in SiteState)]),
    help="State of the site.",
)
@click.option("--sort", default="code", help="Field to sort by; with - before it, descending.")
@page_options(per_page=MAX_PER_PAGE)
def list_villages(
    *,
    query: str,
    district: str,
    server: str,
    release: str,
    state: str | None,
    sort: str,
    page: int,
    per_page: int,
) -> Listing[VillageRecord]:
    """List villages with their sites."""
    found = villages.list_villages(
        query=query,
        district=district,
        server=server,
        release=release,
        state=state or "",
        sort=sort,
        page=page,
        per_page=per_page,
    )
    return listing(found, _record)


@village.command("show", example="siappakai village show 51.02.01.2001")
@click.argument("code")
def show_village(code: str) -> VillageDetail:
    """Show one village, by its kode desa, dotted or plain."""
    return _detail(villages.get_village(code))


@village.command(
    "add",
    changes=True,
    example='siappakai village add 51.02.01.2001 --name Bajera --district-name "Selemadeg"',
)
@click.argument("code")
@click.option("--name", required=True, help="Name of the village.")
@click.option("--district-name", default="", help="Needed for a district not yet known.")
def register_village(code: str, name: str, district_name: str) -> VillageDetail:
    """Register a village of the regency."""
    made = villages.register_village(code=code, name=name, district_name=district_name, by=actor())
    return _detail(made)


@village.command(
    "update", changes=True, example="siappakai village update 51.02.01.2001 --name Bajera"
)
@click.argument("code")
@click.option("--name", required=True, help="Its new name.")
def update_village(code: str, name: str) -> VillageDetail:
    """Rename a village; its code never changes."""
    return _detail(villages.update_village(code, name=name, by=actor()))


@village.command("delete", changes=True, example="siappakai village delete 51.02.01.2001 --yes")
@click.argument("code")
@yes_option
def delete_village(code: str, *, yes: bool) -> DeletedVillage:
    """Take a village without a site out of the registry."""
    gone = dotted(villages.get_village(code).code)
    agree(f"Hapus desa {gone} dari registri?", yes=yes)
    villages.delete_village(code, by=actor())
    return DeletedVillage(gone)


def _record(row: VillageRow) -> VillageRecord:
    site = row.site
    return VillageRecord(
        code=dotted(row.village.code),
        name=row.village.name,
        district=row.village.district.name,
        domain=site.domain if site else None,
        server=site.server.name if site else None,
        release=site.release.version if site and site.release else None,
        state=site.state.value if site else None,
        is_copy=bool(row.village.copy_of),
    )


def _detail(found: Village) -> VillageDetail:
    site = sites.find_site(found.id)
    district = found.district
    return VillageDetail(
        code=dotted(found.code),
        plain_code=found.code,
        name=found.name,
        district_code=dotted(district.code),
        district=district.name,
        regency=district.regency.name,
        province=district.regency.province_name,
        domain=site.domain if site else None,
        state=site.state.value if site else None,
        copy_of=dotted(found.copy_of) if found.copy_of else None,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )
