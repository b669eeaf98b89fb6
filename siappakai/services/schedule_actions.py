"""What a schedule can do: one entry of the table per action, each through its own service."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Select, select

from siappakai.domain.states import UNBUILT, SiteState
from siappakai.models import Run, Server, Site, Village, db
from siappakai.services import backup_pruning, backups, merges, pruning, servers, sites

# What is asked for on one server, of one district there or of all (""), in the name given last.
OnServer = Callable[[Server, str, str], list[Run]]
# What is done once for the whole installation, in the name given, with transactions of its own;
# tells whether all of it was done, or some is left for the clock's next round.
AtOnce = Callable[[str], bool]


def _nothing(_server: Server, _district: str, _by: str) -> list[Run]:
    return []


@dataclass(frozen=True, slots=True)
class Action:
    """Something a schedule can do: on each server of its scope, or `at_once` for everything.

    `play` is what its runs play: while one of it is unfinished on a server, no second is asked
    for there. `has_districts`: it can be kept to the villages of one district.
    """

    name: str
    play: str = ""
    has_districts: bool = False
    on_server: OnServer = _nothing
    at_once: AtOnce | None = None


def _check_health(server: Server, district: str, by: str) -> list[Run]:
    query = _sites_on(server, district).where(Site.state.not_in(UNBUILT))
    built = [site.id for site in db.session.scalars(query)]
    return sites.request_health(site_ids=built, by=by) if built else []


def _prune(by: str) -> bool:
    return pruning.prune(by).is_complete


def _install_planned(server: Server, district: str, by: str) -> list[Run]:
    """Install what was planned with a release; what has none yet is still being thought about."""
    query = _sites_on(server, district).where(
        Site.state == SiteState.PLANNED, Site.wanted_release_id.is_not(None)
    )
    by_release: dict[int, list[int]] = defaultdict(list)
    for site in db.session.scalars(query):
        by_release[site.wanted_release_id or 0].append(site.id)
    return [
        run
        for release_id, site_ids in by_release.items()
        for run in sites.request_install(site_ids=site_ids, release_id=release_id, by=by)
    ]


def _take_backups(server: Server, district: str, by: str) -> list[Run]:
    query = _sites_on(server, district).where(Site.state.not_in(UNBUILT), sites.is_real())
    built = [site.id for site in db.session.scalars(query)]
    return backups.request_take(site_ids=built, by=by) if built else []


def _prove_backups(server: Server, _district: str, by: str) -> list[Run]:
    return backups.request_share(server, by=by)


def _prune_backups(by: str) -> bool:
    backup_pruning.prune(by=by)
    return True


def _merge(server: Server, district: str, by: str) -> list[Run]:
    """Merge what changed in the villages of the gabungan's own server."""
    gabungan = merges.find_gabungan()
    if gabungan is None or gabungan.server_id != server.id or not merges.is_at_work(gabungan):
        return []
    can = set(merges.merge_site_ids())
    ids = [one.id for one in db.session.scalars(_sites_on(server, district)) if one.id in can]
    return [merges.request_merge(site_ids=ids, whole=False, by=by)] if ids else []


def _verify(server: Server, _district: str, by: str) -> list[Run]:
    gabungan = merges.find_gabungan()
    is_here = gabungan is not None and gabungan.server_id == server.id and gabungan.made_at
    return [merges.request_verify(by=by)] if is_here else []


def _prepare(server: Server, _district: str, by: str) -> list[Run]:
    return [servers.request_prepare(server.id, by=by)]


def _sites_on(server: Server, district: str) -> Select[Site]:
    query = select(Site).where(Site.server_id == server.id).order_by(Site.id)
    if district:
        query = query.join(Site.village).where(Village.district_code == district)
    return query


ACTIONS: Final = {
    action.name: action
    for action in (
        Action("health", play="health", has_districts=True, on_server=_check_health),
        Action("install", play="install", has_districts=True, on_server=_install_planned),
        Action("backup", play="backup", has_districts=True, on_server=_take_backups),
        Action("prove", play="prove", on_server=_prove_backups),
        Action("merge", play="merge", has_districts=True, on_server=_merge),
        Action("verify", play="verify", on_server=_verify),
        Action("prune_backups", at_once=_prune_backups),
        Action("prepare", play="server", on_server=_prepare),
        Action("prune", at_once=_prune),
    )
}
