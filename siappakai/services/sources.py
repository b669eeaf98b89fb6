"""Where releases come from: the configured repository, or the stand-in app where it fails."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from siappakai.config import Settings
from siappakai.domain.states import SiteState
from siappakai.domain.versions import is_version
from siappakai.errors import ConflictError, UnreachableError
from siappakai.gateways.git import Git, Source, local_source, remote_source
from siappakai.gateways.standin import build_repository
from siappakai.models import Release, Setting, Site, db
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit
from siappakai.wording import join, pack, say, unpack

_SETTING = "release_source"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The source in use. `reason` says why it is not, or not yet, the configured one."""

    source: str
    stand_in: bool
    reason: str = ""


def source_status() -> SourceStatus:
    """Return which source is in use, for the banner; asks the registry only."""
    stored = db.session.get(Setting, _SETTING)
    if stored is None:
        return SourceStatus(current_settings().release_source, stand_in=False)
    return SourceStatus(**{**stored.value, "reason": unpack(stored.value["reason"])})


def choose_source(settings: Settings, *, by: str) -> SourceStatus:
    """Use the configured source if it answers, else the stand-in app; never mix the two.

    While sites use releases of one kind that kind stays, and the reason says so. Raises
    RefusedError when the configured source is not allowed.
    """
    reason = _why_unreachable(settings)
    stand_in = bool(reason)
    sites = _count_sites(db.session(), stand_in=not stand_in)
    if sites:
        stand_in = not stand_in
        reason = _why_kept(sites, stand_in=stand_in, unreachable=reason)
    return _use(settings, stand_in=stand_in, reason=reason, by=by)


def use_source(settings: Settings, *, stand_in: bool, by: str) -> SourceStatus:
    """Switch to the stand-in app, or back to the configured source.

    Raises ConflictError while sites use releases of the other kind, UnreachableError when the
    configured source does not answer, RefusedError when it is not allowed.
    """
    unreachable = "" if stand_in else _why_unreachable(settings)
    if unreachable:
        raise UnreachableError(unreachable, say("Periksa jaringan dan release_source."))
    reason = say("Dipilih oleh admin.") if stand_in else ""
    return _use(settings, stand_in=stand_in, reason=reason, by=by)


def source_in_use(settings: Settings, *, by: str) -> tuple[Source, bool]:
    """Return the source to ask now and whether it is the stand-in, choosing one if need be."""
    status = source_status()
    is_stored = db.session.get(Setting, _SETTING) is not None
    if not is_stored or not (status.stand_in or status.source == settings.release_source):
        status = choose_source(settings, by=by)
    if status.stand_in:
        return local_source(build_repository(_stand_in_folder(settings))), True
    return configured_source(settings), False


def configured_source(settings: Settings) -> Source:
    """Return the source that is set; raises RefusedError when it is not an allowed one."""
    if settings.release_source.startswith("/"):
        return local_source(Path(settings.release_source))
    return remote_source(settings.release_source, allowed=settings.release_sources_allowed)


def git(settings: Settings) -> Git:
    """Return Git with the mirrors of this installation."""
    return Git(
        settings.state / "sources",
        timeout=settings.git_timeout_seconds,
        proxy=settings.https_proxy,
    )


def _use(settings: Settings, *, stand_in: bool, reason: str, by: str) -> SourceStatus:
    url = str(_stand_in_folder(settings)) if stand_in else settings.release_source
    status = SourceStatus(url, stand_in, reason)
    kept = {**asdict(status), "reason": pack(reason)}
    with transaction() as session:
        before = source_status()
        _drop_other_kind(session, stand_in=stand_in)
        session.merge(Setting(key=_SETTING, value=kept, updated_by=by))
        if before != status:
            audit.record("release.source", url, by=by, detail={"stand_in": stand_in})
    return status


def _drop_other_kind(session: Session, *, stand_in: bool) -> None:
    """Unpin what came from the other kind of source, so that versions can be pinned anew."""
    sites = _count_sites(session, stand_in=not stand_in)
    if sites:
        raise ConflictError(
            _why_kept(sites, stand_in=not stand_in, unreachable=""),
            say("Hapus situs-situs itu dulu."),
        )
    others = select(Release.id).where(Release.stand_in.is_(not stand_in))
    for column in (Site.release_id, Site.wanted_release_id):
        session.execute(update(Site).where(column.in_(others)).values({column: None}))
    session.execute(delete(Release).where(Release.stand_in.is_(not stand_in)))


def _count_sites(session: Session, *, stand_in: bool) -> int:
    """Return how many living sites serve or want a release of one kind."""
    kind = select(Release.id).where(Release.stand_in.is_(stand_in))
    query = select(func.count(Site.id)).where(
        Site.state != SiteState.REMOVED,
        or_(Site.release_id.in_(kind), Site.wanted_release_id.in_(kind)),
    )
    return session.scalar(query) or 0


def _why_unreachable(settings: Settings) -> str:
    """Return why the configured source is of no use now; empty when it answers with releases."""
    source = configured_source(settings)
    try:
        tags = git(settings).list_tags(source, timeout=settings.source_timeout_seconds)
    except UnreachableError as error:
        return error.what
    if not any(is_version(tag) for tag in tags):
        return say("Sumber rilis %(url)s tidak memuat tag rilis.", url=source.url)
    return ""


def _why_kept(sites: int, *, stand_in: bool, unreachable: str) -> str:
    if stand_in:
        return say(
            "%(sites)s situs memakai aplikasi peraga; sumber rilis yang sebenarnya belum dipakai.",
            sites=sites,
        )
    kept = say("%(sites)s situs memakai rilis dari sumber sebenarnya.", sites=sites)
    return join(kept, unreachable)


def _stand_in_folder(settings: Settings) -> Path:
    return settings.state / "sources" / "standin"
