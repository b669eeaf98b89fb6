"""Restoring over a village that runs: looked at first, then switched, and taken back if wished."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from siappakai.domain.backups import manifest_hash
from siappakai.domain.restores import Kept, check_scope
from siappakai.domain.states import TERMINAL, RunState, SiteState
from siappakai.errors import ConflictError, RefusedError
from siappakai.models import Backup, Run, Site, Target, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import audit, incoming, runs, settings
from siappakai.wording import say

COMPARE: Final = "compare"
RESTORE: Final = "restore"
UNDO: Final = "undo"
FORGET: Final = "forget"
WITH_BACKUP: Final = frozenset({COMPARE, RESTORE})
ON_SITE: Final = WITH_BACKUP | {UNDO, FORGET}
_BUILT: Final = (SiteState.ACTIVE, SiteState.BROKEN)
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
    wanted = check_scope(scope)
    with transaction():
        _require_built(site)
        backup = opened_of(site)
        if backup is None:
            raise RefusedError(
                say("Cadangan %(village)s belum dibuka di mesin ini.", village=site.village.name),
                say("Buka dahulu dengan kunci pemulihan."),
            )
        opened = incoming.received(site.village.code).digest
        if digest and opened != digest:
            raise ConflictError(
                say("Kini cadangan lain yang terbuka, bukan yang dibandingkan."),
                say("Bandingkan lagi, lalu tegaskan."),
            )
        if kept_of(site) is not None and not only_look:
            raise ConflictError(
                say(
                    "Keadaan %(village)s sebelum pemulihan yang lalu masih disimpan.",
                    village=site.village.name,
                ),
                say("Batalkan pemulihan itu, atau buang dahulu keadaan yang disimpan."),
            )
        options = {
            "backup_id": backup.id,
            "digest": opened,
            "scope": wanted,
        }
        play = COMPARE if only_look else RESTORE
        audit.record(
            f"backup.{play}", site.village.code, by=by, detail={"backup": backup.name, **options}
        )
        return runs.create_site_run(play, [site], by=by, options=options, retry_of=retry_of)


def request_undo(site: Site, *, by: str, retry_of: int | None = None) -> Run:
    """Ask for the state that is kept to serve again; asked twice, that is taken back as well.

    Raises ConflictError when nothing is kept.
    """
    return _about_kept(UNDO, site, by=by, retry_of=retry_of)


def request_forget(site: Site, *, by: str, retry_of: int | None = None) -> Run:
    """Ask for the state that is kept to be dropped; raises ConflictError when nothing is kept."""
    return _about_kept(FORGET, site, by=by, retry_of=retry_of)


def again(run: Run, site: Site, *, by: str) -> Run:
    """Ask again for what a run was asked for."""
    if run.play in WITH_BACKUP:
        is_look, options = run.play == COMPARE, run.options
        return request(
            site,
            scope=options["scope"],
            only_look=is_look,
            by=by,
            retry_of=run.id,
            digest=options["digest"],
        )
    return _about_kept(run.play, site, by=by, retry_of=run.id, expects=run.options["expects"])


def kept_of(site: Site) -> Kept | None:
    """Return what is kept aside of a site."""
    return Kept.of(site.kept)


def play_vars(run: Run) -> dict[str, Any]:
    """Return what a playbook is told of a restore; nothing for other plays.

    Raises RefusedError or ConflictError when the opened backup is not on this machine any more.
    """
    if run.play not in ON_SITE:
        return {}
    days = int(settings.get(settings.RESTORE_KEEP_DAYS))
    until = utc_now() + timedelta(days=days)
    wish: dict[str, Any] = {"run": run.id, "until": until.isoformat(timespec="seconds")}
    if run.play not in WITH_BACKUP:
        return {"wish": wish | {"expects": run.options["expects"]}}
    site = db.session.get_one(Site, run.targets[0].site_id)
    backup = db.session.get_one(Backup, run.options["backup_id"])
    bundle = incoming.received_as(site.village.code, run.options["digest"])
    wish |= {"scope": run.options["scope"], "backup": backup.name}
    wish["manifest_sha256"] = manifest_hash(backup.manifest)
    return {"upload": bundle.paths(), "wish": wish}


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
