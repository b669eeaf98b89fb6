"""Restoring over a village that runs: looked at first, then switched, and taken back if wished."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from siappakai.domain.restores import Kept, check_scope
from siappakai.domain.states import TERMINAL, RunState, SiteState
from siappakai.errors import ConflictError, RefusedError
from siappakai.models import Backup, Run, Site, Target, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import audit, incoming, runs
from siappakai.wording import say

COMPARE: Final = "compare"
RESTORE: Final = "restore"
UNDO: Final = "undo"
FORGET: Final = "forget"
WITH_BACKUP: Final = frozenset({COMPARE, RESTORE})
ON_SITE: Final = WITH_BACKUP | {UNDO, FORGET}
_BUILT: Final = (SiteState.ACTIVE, SiteState.BROKEN)
# What one run restores lies opened on its server at once.
AT_ONCE: Final = 10
# Dropping that failed is tried again this much later.
_PAUSE: Final = timedelta(hours=6)


def opened_of(site: Site) -> Backup | None:
    """Return the backup of a site that lies opened on this machine."""
    try:
        bundle = incoming.received(site.village.code)
    except RefusedError:
        return None
    found = db.session.get(Backup, bundle.backup_id) if bundle.backup_id else None
    return found if found is not None and found.site_id == site.id else None


def request(
    site: Site,
    *,
    scope: str,
    only_look: bool,
    by: str,
    retry_of: int | None = None,
    digest: str = "",
) -> Run:
    """Ask for a site's opened backup to be compared with what runs, or to take its place.

    Raises RefusedError without an opened backup, ConflictError for a site that is not there or
    whose former state is still kept, or when another backup is opened than that of `digest`;
    InvalidInputError for a scope.
    """
    seen = {site.id: digest} if digest else {}
    (run,) = request_many(
        [site], scope=scope, only_look=only_look, by=by, retry_of=retry_of, digests=seen
    )
    return run


def request_many(
    sites: Sequence[Site],
    *,
    scope: str,
    only_look: bool,
    by: str,
    retry_of: int | None = None,
    digests: Mapping[int, str] | None = None,
) -> list[Run]:
    """Ask for the same of several sites; `digests` are by site id. Raises as `request` does.

    What one run restores lies on its server at once, so that none has more than AT_ONCE sites.
    """
    wanted, play = check_scope(scope), COMPARE if only_look else RESTORE
    with transaction():
        opened: dict[int, dict[str, Any]] = {}
        groups: dict[int, list[Site]] = defaultdict(list)
        for site in sites:
            seen = (digests or {}).get(site.id, "")
            backup, digest = _opened_for(site, seen, only_look=only_look)
            opened[site.id] = {"backup_id": backup.id, "digest": digest}
            groups[site.server_id].append(site)
            told = {"backup": backup.name, "scope": wanted, **opened[site.id]}
            audit.record(f"backup.{play}", site.village.code, by=by, detail=told)
        return [
            runs.create_site_run(
                play,
                share,
                by=by,
                options={"scope": wanted, "opened": {str(one.id): opened[one.id] for one in share}},
                retry_of=retry_of,
            )
            for group in groups.values()
            for share in _shares(group)
        ]


def _shares(sites: Sequence[Site]) -> Iterator[Sequence[Site]]:
    for start in range(0, len(sites), AT_ONCE):
        yield sites[start : start + AT_ONCE]


def _opened_for(site: Site, seen: str, *, only_look: bool) -> tuple[Backup, str]:
    """Return a site's opened backup and its digest, or raise as `request` does."""
    require_replaceable(site, only_look=only_look)
    backup = opened_of(site)
    if backup is None:
        raise RefusedError(
            say("Cadangan %(village)s belum dibuka di mesin ini.", village=site.village.name),
            say("Buka dahulu dengan kunci pemulihan."),
        )
    opened = incoming.received(site.village.code).digest
    if seen and opened != seen:
        raise ConflictError(
            say("Kini cadangan lain yang terbuka, bukan yang dibandingkan."),
            say("Bandingkan lagi, lalu tegaskan."),
        )
    return backup, opened


def require_replaceable(site: Site, *, only_look: bool = False) -> None:
    """Raise ConflictError for a site that is not there, or whose former state is still kept."""
    _require_built(site)
    if kept_of(site) is not None and not only_look:
        raise ConflictError(
            say(
                "Keadaan %(village)s sebelum pemulihan yang lalu masih disimpan.",
                village=site.village.name,
            ),
            say("Batalkan pemulihan itu, atau buang dahulu keadaan yang disimpan."),
        )


def request_undo(site: Site, *, by: str, retry_of: int | None = None) -> Run:
    """Ask for the state that is kept to serve again; asked twice, that is taken back as well.

    Raises ConflictError when nothing is kept.
    """
    return _about_kept(UNDO, site, by=by, retry_of=retry_of)


def request_forget(site: Site, *, by: str, retry_of: int | None = None) -> Run:
    """Ask for the state that is kept to be dropped; raises ConflictError when nothing is kept."""
    return _about_kept(FORGET, site, by=by, retry_of=retry_of)


def again(run: Run, sites: Sequence[Site], *, by: str) -> list[Run]:
    """Ask again for what a run was asked for, for those of its sites."""
    if run.play in WITH_BACKUP:
        return request_many(
            sites,
            scope=run.options["scope"],
            only_look=run.play == COMPARE,
            by=by,
            retry_of=run.id,
            digests={site.id: digest_seen(run, site) for site in sites},
        )
    expects = run.options["expects"]
    return [_about_kept(run.play, one, by=by, retry_of=run.id, expects=expects) for one in sites]


def backup_of(run: Run, site: Site) -> Backup:
    """Return the backup that a run looks at, or restores, of a site."""
    return db.session.get_one(Backup, run.options["opened"][str(site.id)]["backup_id"])


def digest_seen(run: Run, site: Site) -> str:
    """Return what stands for the opened backup that a run looked at, or restored, of a site."""
    return str(run.options["opened"][str(site.id)]["digest"])


def kept_of(site: Site) -> Kept | None:
    """Return what is kept aside of a site."""
    return Kept.of(site.kept)


def let_go(now: datetime | None = None) -> list[Run]:
    """Ask for what was kept long enough to be dropped; done by the clock."""
    now = now or utc_now()
    with transaction() as session:
        due = select(Site).where(Site.kept_until < now, Site.state.in_(_BUILT))
        sites = session.scalars(due.where(Site.release_id.is_not(None)).order_by(Site.id)).all()
        return [
            request_forget(site, by="siappakai")
            for site in sites
            if kept_of(site) is not None and not _is_under_way(site.id, now)
        ]


def newest_look(site_id: int) -> Target | None:
    """Return the look at a backup that a site's restore may follow.

    Nothing else of the kind was asked for since.
    """
    query = (
        select(Target)
        .join(Target.run)
        .where(Target.site_id == site_id, Run.play.in_(ON_SITE))
        .order_by(Target.id.desc())
        .limit(1)
    )
    newest = db.session.scalar(query)
    if newest is None or newest.run.play != COMPARE or newest.state is not RunState.SUCCEEDED:
        return None
    return newest


def change_of(target: Target) -> dict[str, Any]:
    """Return what a look found, or a restore told, to change; empty when it came to nothing."""
    told: dict[str, Any] = target.result.get("change", target.result)
    return told if "rows" in told else {}


def _about_kept(
    play: str, site: Site, *, by: str, retry_of: int | None, expects: int | None = None
) -> Run:
    """Ask for something about what is kept; `expects` is the run that switched last."""
    with transaction():
        _require_built(site)
        kept = kept_of(site)
        if kept is None:
            raise ConflictError(
                say("Tidak ada keadaan lama %(village)s yang disimpan.", village=site.village.name),
                say("Pulihkan dari sebuah cadangan."),
            )
        audit.record(f"backup.{play}", site.village.code, by=by)
        options = {"expects": kept.run if expects is None else expects}
        return runs.create_site_run(play, [site], by=by, options=options, retry_of=retry_of)


def _require_built(site: Site) -> None:
    if site.state not in _BUILT or site.release_id is None:
        raise ConflictError(
            say("Situs %(village)s tidak terpasang utuh.", village=site.village.name),
            say("Pasang situsnya dahulu, atau pulihkan sebagai desa yang hilang."),
        )


def _is_under_way(site_id: int, now: datetime) -> bool:
    """Tell whether something of the kind is asked for, or dropping failed a while ago."""
    of_site = select(Run).join(Run.targets).where(Target.site_id == site_id)
    if db.session.scalar(of_site.where(Run.play.in_(ON_SITE), Run.state.not_in(TERMINAL)).limit(1)):
        return True
    dropping = of_site.where(Run.play == FORGET).order_by(Run.id.desc()).limit(1)
    run = db.session.scalar(dropping)
    return run is not None and run.ended_at is not None and now - run.ended_at < _PAUSE
