"""The fleet at a glance: counts, what failed, what runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import CompoundSelect, func, select, union_all
from sqlalchemy.orm import joinedload

from siappakai.ansible.plays import CATALOGUE
from siappakai.domain.states import RunState, SiteState
from siappakai.models import Release, Run, Server, Site, Target, Village, db

# Targets of other plays lost their site with the village that was deleted.
_OF_SERVERS: Final = tuple(play.name for play in CATALOGUE.values() if play.scope == "servers")


@dataclass(frozen=True, slots=True)
class ReleaseShare:
    """How many sites serve a release; `version` is empty for those that serve none yet."""

    release_id: int | None
    version: str
    sites: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts over the whole fleet. `sites` has no entry for a state without sites."""

    villages: int
    villages_without_site: int
    sites: dict[SiteState, int]
    releases: list[ReleaseShare]


def summarise() -> Overview:
    """Return the counts the dashboard shows; removed sites count as no site."""
    villages = db.session.scalar(select(func.count(Village.id))) or 0
    rows = db.session.execute(select(Site.state, func.count()).group_by(Site.state)).all()
    sites: dict[SiteState, int] = {
        state: count for state, count in rows if state is not SiteState.REMOVED
    }
    housed = select(func.count(func.distinct(Site.village_id))).where(
        Site.state != SiteState.REMOVED
    )
    return Overview(
        villages=villages,
        villages_without_site=villages - (db.session.scalar(housed) or 0),
        sites=sites,
        releases=_by_release(),
    )


def standing_failures(limit: int = 10) -> list[Target]:
    """Return the failed or lost targets that nothing newer for the same site has replaced."""
    query = (
        select(Target)
        .where(Target.id.in_(_newest_targets()), Target.state.in_((RunState.FAILED, RunState.LOST)))
        .options(joinedload(Target.run))
        .order_by(Target.id.desc())
        .limit(limit)
    )
    return list(db.session.scalars(query))


def _newest_targets() -> CompoundSelect[int]:
    """Return the query for the newest ended target of each site, and of each server alone.

    It looks once into an index per site and server: years of runs cost no more than days. A
    site that moved to another server is still the same site.
    """
    newest = (
        select(Target.id)
        .where(Target.state.not_in((RunState.QUEUED, RunState.RUNNING)))
        .order_by(Target.id.desc())
        .limit(1)
    )
    of_site = newest.where(Target.site_id == Site.id).correlate(Site)
    of_server = (
        newest.join(Target.run)
        .where(Target.server_id == Server.id, Target.site_id.is_(None), Run.play.in_(_OF_SERVERS))
        .correlate(Server)
    )
    return union_all(
        select(of_site.scalar_subquery()).select_from(Site),
        select(of_server.scalar_subquery()).select_from(Server),
    )


def latest_runs(limit: int = 8) -> list[Run]:
    """Return the newest runs."""
    return list(db.session.scalars(select(Run).order_by(Run.id.desc()).limit(limit)))


def targets_of_site(site_id: int, limit: int = 10) -> list[Target]:
    """Return a site's share of its newest runs."""
    query = (
        select(Target)
        .where(Target.site_id == site_id)
        .options(joinedload(Target.run))
        .order_by(Target.id.desc())
        .limit(limit)
    )
    return list(db.session.scalars(query))


def _by_release() -> list[ReleaseShare]:
    query = (
        select(Release.id, Release.version, func.count(Site.id))
        .select_from(Site)
        .outerjoin(Release, Site.release_id == Release.id)
        .where(Site.state != SiteState.REMOVED)
        .group_by(Release.id, Release.version)
        .order_by(Release.version.desc())
    )
    return [
        ReleaseShare(release_id, version or "", count)
        for release_id, version, count in db.session.execute(query)
    ]
