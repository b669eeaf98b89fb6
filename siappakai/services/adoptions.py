"""Villages that ran elsewhere and move in: looked at first, then taken over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from siappakai.credentials import load_key_ring, new_app_key
from siappakai.domain.adoption import Finding, findings
from siappakai.domain.states import TERMINAL, RunState, ServerState, SiteState
from siappakai.errors import InvalidInputError, RefusedError
from siappakai.models import Backup, Release, Run, Server, Site, Target, Village, db
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import incoming, releases, runs, sites
from siappakai.services.incoming import Bundle
from siappakai.wording import say

LOOK: Final = "inspect"
ADOPT: Final = "adopt"


@dataclass(frozen=True, slots=True)
class Wish:
    """Where a village shall live; what is empty stays as it was planned."""

    server: Server | None = None
    domain: str = ""
    release: Release | None = None
    php: str | None = None
    certificate: tuple[str, str] = ("", "")


def request(
    village: Village, wish: Wish, *, only_look: bool, by: str, retry_of: int | None = None
) -> Run:
    """Ask for a village's received files to be looked at, or to be taken over as its site.

    Raises RefusedError without files, or a server that is ready; InvalidInputError for what the
    plan lacks; and the errors of sites.plan_site.
    """
    bundle = incoming.received(village.code)
    with transaction():
        site, release = planned_for(village, wish, by=by)
        copied = _is_copied(bundle, village)
        ring = load_key_ring(current_settings().credentials_file)
        site.app_key_sealed = ring.seal(new_app_key() if copied else bundle.app_key)
        options = {"release_id": release.id, "digest": bundle.digest, "copied": copied}
        play = LOOK if only_look else ADOPT
        return runs.create_site_run(play, [site], by=by, options=options, retry_of=retry_of)


def planned_for(village: Village, wish: Wish, *, by: str) -> tuple[Site, Release]:
    """Plan the site a village shall move into; raises as `request`, but for its files."""
    with transaction():
        site = _planned(village, wish, by=by)
        release = _release(site, wish)
        if site.server.state is not ServerState.READY:
            raise RefusedError(
                say("Server %(server)s belum siap.", server=site.server.name),
                say("Siapkan server itu dahulu."),
            )
        releases.check_php_seen(release, site.php)
        return site, release


def again(run: Run, site: Site, *, by: str) -> Run:
    """Ask again for what a run was asked for."""
    release = db.session.get(Release, run.options["release_id"])
    wish, only_look = Wish(release=release), run.play == LOOK
    return request(site.village, wish, only_look=only_look, by=by, retry_of=run.id)


def play_vars(run: Run) -> dict[str, Any]:
    """Return what a playbook is given of a village's files; nothing for other plays.

    Raises RefusedError or ConflictError when they are not on this machine any more.
    """
    if run.play not in {LOOK, ADOPT}:
        return {}
    site = db.session.get_one(Site, run.targets[0].site_id)
    bundle = incoming.received_as(site.village.code, run.options["digest"])
    return {"upload": bundle.paths(), "copied": run.options["copied"]}


def clear_up(run_id: int) -> None:
    """Delete the received files of the villages that have moved in, or were restored."""
    run = db.session.get(Run, run_id, populate_existing=True)
    if run is None or run.play not in {ADOPT, "restore"}:
        return
    for target in run.targets:
        if target.state is RunState.SUCCEEDED:
            incoming.forget(db.session.get_one(Site, target.site_id).village.code)


def newest_look(site_id: int) -> Target | None:
    """Return the last run over a village's files that told what it found, if its site is not up.

    That is a look, or a move that was refused.
    """
    query = (
        select(Target)
        .join(Target.run)
        .join(Site, Site.id == Target.site_id)
        .where(Target.site_id == site_id, Run.play.in_((LOOK, ADOPT)))
        .where(Target.state.in_(TERMINAL), Site.state == SiteState.PLANNED)
        .order_by(Target.id.desc())
        .limit(1)
    )
    return db.session.scalar(query)


def findings_of(target: Target) -> list[Finding]:
    """Return what a look found, or what made a village be refused."""
    refused = target.error.get("params", {}) if target.error else {}
    report = target.result if "figures" in target.result else refused
    return findings(report)


def _is_copied(bundle: Bundle, village: Village) -> bool:
    """Tell whether a village is to become a copy of another, from an opened backup of that.

    Raises RefusedError when it is none to train on.
    """
    if not bundle.backup_id:
        return False
    backup = db.session.get(Backup, bundle.backup_id)
    if backup is not None and backup.site.village_id == village.id:
        return False
    if not village.copy_of:
        raise RefusedError(
            say("Cadangan yang terbuka bukan milik %(village)s.", village=village.name),
            say("Buka cadangan desa itu sendiri."),
        )
    return True


def _planned(village: Village, wish: Wish, *, by: str) -> Site:
    site = sites.find_site(village.id)
    plan = site if site is not None and site.state is not SiteState.REMOVED else None
    if plan is not None and plan.state is SiteState.BROKEN and plan.release_id is None:
        return plan  # an attempt was cut off in the middle; the next one clears it away
    server = wish.server or (plan.server if plan else None)
    domain = wish.domain or (plan.domain if plan else "")
    if server is None:
        raise _lacking("server", say("Pilih server untuknya."))
    if not domain:
        raise _lacking("domain", say("Sebutkan domainnya."))
    known = (plan.certificate, plan.certificate_key) if plan else ("", "")
    return sites.plan_site(
        village=village,
        server=server,
        domain=domain,
        release=wish.release or (plan.wanted_release if plan else None),
        php=wish.php or (plan.php if plan else None),
        certificate=wish.certificate if any(wish.certificate) else known,
        by=by,
    )


def _release(site: Site, wish: Wish) -> Release:
    release = wish.release or site.wanted_release
    if release is None:
        raise _lacking("release", say("Sebutkan rilis yang cocok dengan versi data desa itu."))
    return release


def _lacking(field: str, todo: str) -> InvalidInputError:
    return InvalidInputError(say("Situs desa ini belum direncanakan."), todo, field=field)
