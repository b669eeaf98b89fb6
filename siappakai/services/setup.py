"""The way from an empty registry to the first village's site: what is done, what comes next.

All of it is read from the registry. It can be left and taken up anywhere, and is over for good
once a site was ever installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import func, or_, select

from siappakai.domain.states import ServerState, SiteState
from siappakai.models import District, Run, Site, Village, db
from siappakai.services import places, releases, servers
from siappakai.wording import say

_NAMES_SHOWN: Final = 3


class SetupStep(StrEnum):
    """What is to be done, in this order."""

    REGENCY = "regency"
    VILLAGES = "villages"
    SERVER = "server"
    PREPARE = "prepare"
    RELEASE = "release"
    INSTALL = "install"


@dataclass(frozen=True, slots=True)
class Stage:
    """A step as it stands.

    `seen` is what there is of it, empty for nothing; `command` does it on the command line;
    `run` is the newest run about it.
    """

    step: SetupStep
    seen: str
    command: str
    run: Run | None = None

    @property
    def is_done(self) -> bool:
        return bool(self.seen)


def stages() -> list[Stage]:
    """Return all steps in order."""
    return [_regency(), _villages(), _server(), _prepared(), _release(), _installed()]


def next_stage() -> Stage | None:
    """Return the first step that is still to be done; None when a site was ever installed."""
    if is_over():
        return None
    return next((stage for stage in stages() if not stage.is_done), None)


def is_over() -> bool:
    """Tell whether a site was ever installed: whoever got that far needs no guide."""
    ever = or_(Site.state == SiteState.ACTIVE, Site.installed_at.is_not(None))
    return db.session.scalar(select(Site.id).where(ever).limit(1)) is not None


def _regency() -> Stage:
    found = places.find_regency()
    seen = f"{found.name}, {found.province_name}" if found else ""
    return Stage(SetupStep.REGENCY, seen, "siappakai regency set")


def _villages() -> Stage:
    villages = db.session.scalar(select(func.count(Village.id))) or 0
    districts = db.session.scalar(select(func.count(District.code))) or 0
    seen = (
        say("%(villages)s desa di %(districts)s kecamatan", villages=villages, districts=districts)
        if villages
        else ""
    )
    return Stage(SetupStep.VILLAGES, seen, "siappakai village import")


def _server() -> Stage:
    seen = _some([server.name for server in servers.list_servers()])
    return Stage(SetupStep.SERVER, seen, "siappakai server enrol")


def _prepared() -> Stage:
    ready = [one.name for one in servers.list_servers() if one.state is ServerState.READY]
    return Stage(SetupStep.PREPARE, _some(ready), "siappakai server prepare", _newest("server"))


def _release() -> Stage:
    seen = _some([release.version for release in releases.list_releases()])
    return Stage(SetupStep.RELEASE, seen, "siappakai release pin")


def _installed() -> Stage:
    active = select(Site.domain).where(Site.state == SiteState.ACTIVE).order_by(Site.id)
    domains = list(db.session.scalars(active.limit(_NAMES_SHOWN + 1)))
    return Stage(SetupStep.INSTALL, _some(domains), "siappakai site install", _newest("install"))


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return f"{shown}, …" if len(names) > _NAMES_SHOWN else shown


def _newest(play: str) -> Run | None:
    return db.session.scalar(select(Run).where(Run.play == play).order_by(Run.id.desc()).limit(1))
