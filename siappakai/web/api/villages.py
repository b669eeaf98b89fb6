"""Villages and what is installed for each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field

from siappakai.domain.codes import dotted
from siappakai.domain.states import SiteState
from siappakai.domain.tokens import Scope
from siappakai.models import Site
from siappakai.services import bulk, sites, villages
from siappakai.services.villages import Filters, VillageRow
from siappakai.web.api.operations import Body, operation
from siappakai.web.api.values import Listed, Paged, Text, Version, VillageCode
from siappakai.web.bearer import actor
from siappakai.web.languages import retell


class VillageState(StrEnum):
    """State of a village's site; `none` when it has none."""

    NONE = villages.NO_SITE
    PLANNED = SiteState.PLANNED
    INSTALLING = SiteState.INSTALLING
    ACTIVE = SiteState.ACTIVE
    BROKEN = SiteState.BROKEN


class VillageSort(StrEnum):
    """Field to sort by; with `-` before it, descending."""

    CODE = "code"
    CODE_DOWN = "-code"
    NAME = "name"
    NAME_DOWN = "-name"
    DISTRICT = "district"
    DISTRICT_DOWN = "-district"
    DOMAIN = "domain"
    DOMAIN_DOWN = "-domain"
    SERVER = "server"
    SERVER_DOWN = "-server"
    STATE = "state"
    STATE_DOWN = "-state"
    RELEASE = "release"
    RELEASE_DOWN = "-release"


class VillageSite(BaseModel):
    """OpenSID installed, or to be installed, for a village."""

    id: int
    domain: str
    server: Annotated[str, Field(description="name of the server that holds it")]
    php: str
    state: SiteState
    release: Annotated[str | None, Field(description="version it serves")]
    message: Annotated[str, Field(description="what the last run said of it")]
    checked_at: datetime | None
    installed_at: datetime | None


class Village(BaseModel):
    """A village with its site, if it has one that was not removed."""

    code: Annotated[str, Field(description="kode desa, dotted")]
    plain_code: Annotated[str, Field(description="kode desa, ten digits")]
    name: str
    district_code: Annotated[str, Field(description="code of its district, dotted")]
    district: str
    site: VillageSite | None
    created_at: datetime
    updated_at: datetime


class VillageQuery(Paged):
    """Which villages."""

    query: Annotated[Text, Field(description="part of a name, code or domain")] = ""
    district: Annotated[Text, Field(description="code of a district")] = ""
    server: Annotated[Text, Field(description="name of a server")] = ""
    release: Annotated[Version, Field(description="version the site serves")] = ""
    state: VillageState | None = None
    sort: VillageSort = VillageSort.CODE


class NewVillage(Body):
    """A village of the regency; its district's name where neither registry nor list knows it."""

    code: VillageCode
    name: Text
    district_name: Text = ""


class VillageChange(Body):
    """What can be changed of a village; its code never does."""

    name: Text


@operation("GET", "/villages", Scope.VILLAGES_READ)
def list_villages(query: VillageQuery) -> Listed[Village]:
    """List villages with their sites."""
    filters = Filters(
        query=query.query,
        district=query.district,
        server=query.server,
        release=query.release,
        state=query.state or "",
    )
    found = villages.list_villages(
        **filters, sort=query.sort, page=query.page, per_page=query.per_page
    )
    return Listed[Village].of(found, village_record)


@operation("GET", "/villages/<code>", Scope.VILLAGES_READ)
def show_village(code: VillageCode) -> Village:
    """Show one village."""
    return _shown(code)


@operation("POST", "/villages", Scope.VILLAGES_WRITE, status=HTTPStatus.CREATED, is_once=True)
def register_village(body: NewVillage) -> Village:
    """Register a village."""
    made = villages.register_village(
        code=body.code, name=body.name, district_name=body.district_name, by=actor()
    )
    return _shown(made.code)


@operation("PATCH", "/villages/<code>", Scope.VILLAGES_WRITE)
def update_village(code: VillageCode, body: VillageChange) -> Village:
    """Rename a village."""
    return _shown(villages.update_village(code, name=body.name, by=actor()).code)


def village_record(row: VillageRow) -> Village:
    """Return a village as the API tells it."""
    village, district = row.village, row.village.district
    return Village(
        code=dotted(village.code),
        plain_code=village.code,
        name=village.name,
        district_code=dotted(district.code),
        district=district.name,
        site=_site(row.site) if row.site is not None else None,
        created_at=village.created_at,
        updated_at=village.updated_at,
    )


def _shown(code: str) -> Village:
    village = villages.get_village(code)
    site = sites.find_site(village.id)
    return village_record(VillageRow(village, site if bulk.lives(site) else None))


def _site(site: Site) -> VillageSite:
    return VillageSite(
        id=site.id,
        domain=site.domain,
        server=site.server.name,
        php=site.php,
        state=site.state,
        release=site.release.version if site.release else None,
        message=retell(site.message),
        checked_at=site.checked_at,
        installed_at=site.installed_at,
    )
