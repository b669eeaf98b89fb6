"""Several villages at once: what the panel does with a selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from siappakai.domain.codes import parse_village_code
from siappakai.domain.states import SiteState
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError, SiapPakaiError
from siappakai.models import Run, Site, Village
from siappakai.models.transactions import transaction
from siappakai.services import servers, sites, villages
from siappakai.services.site_secrets import SealedSecrets, new_secrets
from siappakai.wording import say

# What is secret of sites that will be planned, by kode desa.
NewSecrets = Mapping[str, SealedSecrets]


@dataclass(frozen=True, slots=True)
class Placement:
    """A village to install; `domain` is used only when it has no living site yet."""

    code: str
    domain: str = ""


def lives(site: Site | None) -> bool:
    """Tell whether a village's site is there or planned, rather than removed or never made."""
    return site is not None and site.state is not SiteState.REMOVED


def site_ids(codes: Sequence[str]) -> list[int]:
    """Return the ids of villages' sites; raises NotFoundError for a village without one."""
    return [_living(villages.get_village(code)).id for code in codes]


def _living(village: Village) -> Site:
    site = sites.find_site(village.id)
    if site is None or not lives(site):
        raise NotFoundError(
            say("%(village)s belum punya situs.", village=village.name),
            say("Pasang situsnya dahulu."),
        )
    return site


def secrets_for(placements: Sequence[Placement]) -> NewSecrets:
    """Make the secrets of the sites that are missing, by kode desa.

    That takes long for hundreds: to be done before a transaction that others must wait for.
    """
    codes = {parse_village_code(placement.code).plain for placement in placements}
    found = map(villages.find_village, sorted(codes))
    missing = [one for one in found if one is not None and not lives(sites.find_site(one.id))]
    return {village.code: new_secrets() for village in missing}


def install_villages(
    placements: Sequence[Placement],
    *,
    release_id: int,
    server_id: int | None,
    secrets: NewSecrets | None = None,
    by: str,
) -> list[Run]:
    """Plan the sites that are missing on a server, then ask for all to be installed.

    Whole or not at all. Who calls it inside a transaction makes the `secrets` before that.
    Raises InvalidInputError whose field is `domain-<code>` for a domain that cannot be used,
    and the errors of sites.request_install.
    """
    made = secrets_for(placements) if secrets is None else secrets
    with transaction():
        ids = [_site_of(placement, server_id, made, by).id for placement in placements]
        return sites.request_install(site_ids=ids, release_id=release_id, by=by)


def _site_of(placement: Placement, server_id: int | None, made: NewSecrets, by: str) -> Site:
    village = villages.get_village(placement.code)
    site = sites.find_site(village.id)
    if site is not None and lives(site):
        return site
    if server_id is None:
        raise InvalidInputError(
            say("%(village)s belum punya situs.", village=village.name),
            say("Pilih server untuknya."),
            field="server_id",
        )
    server, secrets = servers.get_server(server_id), made.get(village.code)
    try:
        return sites.plan_site(
            village=village, server=server, domain=placement.domain, secrets=secrets, by=by
        )
    except (InvalidInputError, ConflictError) as error:
        raise _at_village(village, error) from error


def _at_village(village: Village, error: SiapPakaiError) -> InvalidInputError:
    return InvalidInputError(
        say("%(village)s: %(what)s", village=village.name, what=error.what),
        error.todo,
        field=f"domain-{village.code}",
    )
