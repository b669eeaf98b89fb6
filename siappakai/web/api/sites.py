"""What is asked for sites, named by their villages: install, check, remove."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from pydantic import Field

from siappakai.domain.tokens import Scope
from siappakai.services import bulk, releases, sites
from siappakai.services.bulk import NewSecrets, Placement
from siappakai.services.paging import MAX_PER_PAGE
from siappakai.web.api.operations import Body, operation
from siappakai.web.api.runs import Run, run_record
from siappakai.web.api.values import Domain, Listed, Number, Version, VillageCode
from siappakai.web.bearer import actor

Codes = Annotated[list[VillageCode], Field(min_length=1, max_length=MAX_PER_PAGE)]


class Installation(Body):
    """A village to install; the domain is used only when it has no site yet."""

    code: VillageCode
    domain: Domain = ""


class Installations(Body):
    """What to install where; the server is for villages that have no site yet."""

    villages: Annotated[list[Installation], Field(min_length=1, max_length=MAX_PER_PAGE)]
    release: Version
    server_id: Number | None = None

    @property
    def placements(self) -> list[Placement]:
        return [Placement(one.code, one.domain) for one in self.villages]


class Checks(Body):
    """The villages whose sites to look at."""

    villages: Codes


class Removals(Body):
    """The villages whose sites to remove, and how many sites these are."""

    villages: Codes
    confirmed_count: Number


def _secrets(body: Installations) -> NewSecrets:
    return bulk.secrets_for(body.placements)


@operation(
    "POST",
    "/sites/install",
    Scope.SITES_INSTALL,
    status=HTTPStatus.ACCEPTED,
    is_once=True,
    ahead=_secrets,
)
def install_sites(body: Installations, ahead: NewSecrets) -> Listed[Run]:
    """Plan the sites that are missing, then ask for all to be installed; one run per server."""
    asked = bulk.install_villages(
        body.placements,
        release_id=releases.get_release(body.release).id,
        server_id=body.server_id,
        secrets=ahead,
        by=actor(),
    )
    return Listed[Run].whole(map(run_record, asked))


@operation("POST", "/sites/check", Scope.SITES_CHECK, status=HTTPStatus.ACCEPTED, is_once=True)
def check_sites(body: Checks) -> Listed[Run]:
    """Ask for sites to be looked at; one run per server."""
    asked = sites.request_health(site_ids=bulk.site_ids(body.villages), by=actor())
    return Listed[Run].whole(map(run_record, asked))


@operation("POST", "/sites/remove", Scope.SITES_REMOVE, status=HTTPStatus.ACCEPTED, is_once=True)
def remove_sites(body: Removals) -> Listed[Run]:
    """Ask for sites to be archived and removed; one run per server."""
    asked = sites.request_remove(
        site_ids=bulk.site_ids(body.villages), confirmed_count=body.confirmed_count, by=actor()
    )
    return Listed[Run].whole(map(run_record, asked))
