"""What the end of a target means: for its site or server, and when its end is only guessed."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from siappakai.ansible.plays import CATALOGUE
from siappakai.domain.restores import NEW, Kept
from siappakai.domain.states import UNBUILT, RunState, ServerState, SiteState
from siappakai.models import Run, Server, Site, Target, utc_now

Verdict = dict[str, Any]
# What site_health says of a site that has nothing on its server.
_ABSENT = "absent"
# How such a run ended is seen by what is kept aside, not by how the site fares.
_OF_KEPT = frozenset({"restore", "undo", "forget"})


def begin(session: Session, run: Run) -> None:
    """Note on the sites of a claimed run that work on them begins."""
    if not CATALOGUE[run.play].installs:
        return
    for target in run.targets:
        site = session.get_one(Site, target.site_id)
        if site.state is SiteState.PLANNED:
            site.state = SiteState.INSTALLING


def conclude(session: Session, target: Target, state: RunState, message: str = "") -> None:
    """End a target and carry its meaning over to its site or server."""
    target.state = state
    target.message = message
    target.ended_at = utc_now()
    if target.site_id is None:
        _conclude_server(session.get_one(Server, target.server_id), target, state)
    else:
        _conclude_site(session.get_one(Site, target.site_id), target, state)


def reconsider(session: Session, target: Target) -> None:
    """Carry over what was seen of a site after its target had ended."""
    if target.site_id is not None:
        _conclude_site(session.get_one(Site, target.site_id), target, target.state)


def mark_removed(site: Site) -> None:
    """Note that a site is gone: its row stays for the history of its runs, its domain is free."""
    site.state = SiteState.REMOVED
    site.release_id = None
    site.kept, site.kept_until = {}, None
    site.domain = f"removed-{site.id}.invalid"


def settled_state(
    play: str,
    verdict: Verdict | None,
    otherwise: RunState,
    *,
    is_new: bool = True,
    run_id: int = 0,
) -> RunState:
    """Return how a target ended whose worker cannot tell, from what a probe saw of its site.

    Of a site that was installed before (not `is_new`) health does not tell whether what its
    install was to change (a certificate, a password) is in force.
    """
    if verdict is None or (play == "install" and not is_new):
        return otherwise
    if play == "remove":
        return RunState.SUCCEEDED if verdict.get("state") == _ABSENT else otherwise
    if play in _OF_KEPT and not _has_switched(play, verdict, run_id):
        return otherwise
    if CATALOGUE[play].leaves_sites and "checks" in verdict:
        return otherwise  # how the site fares says nothing of it
    return RunState.SUCCEEDED if verdict.get("healthy") else otherwise


def _has_switched(play: str, verdict: Verdict, run_id: int) -> bool:
    """Tell whether a site's server says that this run did what it was asked for."""
    kept = Kept.of(verdict.get("kept", {}))
    if play == "forget":
        return kept is None
    return kept is not None and kept.run == run_id and (play == "undo" or kept.serving == NEW)


def describe(verdict: Verdict) -> str:
    """Return the failed checks of a verdict as one line."""
    failed = [check for check in verdict.get("checks", []) if not check.get("ok")]
    return "; ".join(f"{check.get('name')}: {check.get('detail')}" for check in failed)


def _conclude_server(server: Server, target: Target, state: RunState) -> None:
    if CATALOGUE[target.run.play].leaves_sites:
        return
    if state is RunState.SUCCEEDED:
        server.state = ServerState.READY
        server.prepared_at = utc_now()
    elif state is RunState.FAILED:
        server.state = ServerState.FAILED


def _conclude_site(site: Site, target: Target, state: RunState) -> None:
    play = CATALOGUE[target.run.play]
    if play.leaves_sites:
        return
    site.checked_at = utc_now()
    site.message = target.message
    if "kept" in target.result:
        _note_kept(site, target.result["kept"])
    if play.name == "remove":
        _conclude_removal(site, target, state)
    elif state is RunState.SUCCEEDED:
        _serve(site, target)
    else:
        _leave(site, target)


def _note_kept(site: Site, told: Verdict) -> None:
    """Note which state of a site its server keeps aside."""
    kept = Kept.of(told)
    site.kept = dict(told) if kept else {}
    site.kept_until = kept.until if kept else None


def _serve(site: Site, target: Target) -> None:
    site.state = SiteState.ACTIVE
    if CATALOGUE[target.run.play].installs:
        site.release_id = target.run.options["release_id"]
    elif site.release_id is None:
        # Its install did not end well, its health check has now: that asks for the wanted one.
        site.release_id = site.wanted_release_id
    site.installed_at = site.installed_at or utc_now()
    if target.run.play == "adopt" and not target.run.options.get("copied"):
        # Its people keep the passwords they had; nobody here knows them.
        site.admin_password_sealed = ""


def _leave(site: Site, target: Target) -> None:
    """Note what a site is after what was asked for did not succeed."""
    if target.result.get("state") == _ABSENT and site.state in UNBUILT:
        return  # there is nothing, as there should be
    if target.result.get("state") == _ABSENT and CATALOGUE[target.run.play].installs:
        site.state = SiteState.PLANNED
    elif target.result.get("healthy") and site.release_id is not None:
        site.state = SiteState.ACTIVE
    elif target.started_at is None and not target.result:
        _put_back(site)
    elif target.result or site.state is SiteState.INSTALLING:
        site.state = SiteState.BROKEN


def _put_back(site: Site) -> None:
    """Undo `begin` for a site that was not touched."""
    if site.state is SiteState.INSTALLING:
        site.state = SiteState.PLANNED


def _conclude_removal(site: Site, target: Target, state: RunState) -> None:
    if state is RunState.SUCCEEDED:
        mark_removed(site)
    elif target.started_at is not None and not target.result.get("healthy"):
        site.state = SiteState.BROKEN
