"""The fleet at a glance: counts, what failed, what runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from sqlalchemy import CompoundSelect, func, or_, select, union_all
from sqlalchemy.orm import aliased, contains_eager, joinedload

from siappakai.ansible.plays import CATALOGUE
from siappakai.domain.states import RunState, SiteState
from siappakai.models import Release, Run, Site, Target, Village, db

_FAILED: Final = (RunState.FAILED, RunState.LOST)
_UNENDED: Final = (RunState.QUEUED, RunState.RUNNING)
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
    living = Site.state != SiteState.REMOVED
    villages = db.session.scalar(select(func.count(Village.id))) or 0
    # SQLite counts what a subquery finds in a third of the time of count(distinct ...).
    some = select(Site.village_id).where(living).distinct().subquery()
    housed = db.session.scalar(select(func.count()).select_from(some))
    query = select(Site.state, Site.release_id, func.count()).where(living)
    rows = db.session.execute(query.group_by(Site.state, Site.release_id)).all()
    by_state, by_release = Counter[SiteState](), Counter[int | None]()
    for state, release_id, count in rows:
        by_state[state] += count
        by_release[release_id] += count
    return Overview(
        villages=villages,
        villages_without_site=villages - (housed or 0),
        sites=dict(by_state),
        releases=_shares(by_release),
    )


def standing_failures(limit: int = 10) -> list[Target]:
    """Return the failed or lost targets that nothing newer for the same site has replaced."""
    query = (
        select(Target)
        .join(Target.run)
        .where(Target.id.in_(_standing()), Target.state.in_(_FAILED))
        .where(or_(Target.site_id.is_not(None), Run.play.in_(_OF_SERVERS)))
        .options(contains_eager(Target.run))
        .order_by(Target.id.desc())
        .limit(limit)
    )
    return list(db.session.scalars(query))


def _standing() -> CompoundSelect[int]:
    """Return the query for what failed last of each site, and of each server alone.

    Nothing follows it, or only what has not ended: years of runs cost no more than days. A site
    that moved to another server is still the same site.
    """
    waiting = aliased(Target)
    ended = (
        select(Target.id)
        .where(Target.state.not_in(_UNENDED))
        .order_by(Target.id.desc())
        .limit(1)
        .correlate(waiting)
    )
    of_site = ended.where(Target.site_id == waiting.site_id)
    of_server = ended.join(Target.run).where(
        Target.server_id == waiting.server_id,
        Target.site_id.is_(None),
        waiting.site_id.is_(None),
        Run.play.in_(_OF_SERVERS),
    )
    unended = ~waiting.followed, waiting.state.in_(_UNENDED)
    return union_all(
        select(Target.id).where(~Target.followed, Target.state.in_(_FAILED)),
        select(of_site.scalar_subquery()).where(*unended),
        select(of_server.scalar_subquery()).where(*unended),
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


def _shares(sites: Counter[int | None]) -> list[ReleaseShare]:
    """Return the releases with the sites that serve them, the newest first, none last."""
    known = select(Release.id, Release.version).where(Release.id.in_(sites))
    versions = dict(db.session.execute(known.order_by(Release.version.desc())).all())
    shares = [ReleaseShare(one, version, sites[one]) for one, version in versions.items()]
    return [*shares, ReleaseShare(None, "", sites[None])] if sites[None] else shares
