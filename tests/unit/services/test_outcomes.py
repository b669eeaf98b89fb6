"""What the end of a target means for its site or server."""

from typing import Any

import pytest

from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.models import Server, Site, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import outcomes
from tests.factories import make_release, make_run, make_server, make_site

pytestmark = pytest.mark.usefixtures("registry")

OK: dict[str, Any] = {"healthy": True, "state": "installed"}
ILL: dict[str, Any] = {"healthy": False, "state": "installed"}
PART: dict[str, Any] = {"healthy": False, "state": "partial"}
NONE: dict[str, Any] = {"healthy": False, "state": "absent"}


@pytest.mark.parametrize(
    ("play", "verdict", "state"),
    [
        ("install", OK, RunState.SUCCEEDED),
        ("install", ILL, RunState.FAILED),
        ("install", PART, RunState.FAILED),
        ("install", None, RunState.FAILED),
        ("remove", NONE, RunState.SUCCEEDED),
        ("remove", PART, RunState.FAILED),
        ("remove", OK, RunState.FAILED),
        ("remove", None, RunState.FAILED),
    ],
)
def test_a_probe_tells_how_an_interrupted_target_ended(
    play: str, verdict: dict[str, Any] | None, state: RunState
) -> None:
    assert outcomes.settled_state(play, verdict, RunState.FAILED) is state


@pytest.mark.parametrize(
    ("play", "before", "end", "seen", "started", "after"),
    [
        ("install", "planned", "succeeded", OK, True, "active"),
        ("install", "planned", "failed", {}, False, "planned"),
        ("install", "planned", "failed", {}, True, "broken"),
        ("install", "planned", "failed", PART, True, "broken"),
        ("install", "planned", "failed", NONE, True, "planned"),
        ("install", "planned", "cancelled", PART, True, "broken"),
        ("install", "planned", "cancelled", NONE, True, "planned"),
        ("install", "broken", "failed", {}, False, "broken"),
        ("install", "broken", "succeeded", OK, True, "active"),
        ("install", "active", "failed", {}, False, "active"),
        ("install", "active", "failed", OK, True, "active"),
        ("install", "active", "failed", ILL, True, "broken"),
        ("install", "planned", "failed", PART, False, "broken"),
        ("health", "active", "failed", ILL, True, "broken"),
        ("health", "active", "failed", {}, True, "active"),
        ("health", "broken", "succeeded", OK, True, "active"),
        ("health", "planned", "failed", NONE, True, "planned"),
        ("health", "removed", "failed", NONE, True, "removed"),
        ("health", "active", "failed", NONE, True, "broken"),
        ("health", "active", "cancelled", {}, True, "active"),
        ("remove", "active", "succeeded", NONE, True, "removed"),
        ("remove", "active", "failed", PART, True, "broken"),
        ("remove", "active", "failed", {}, False, "active"),
        ("remove", "active", "cancelled", OK, True, "active"),
    ],
)
def test_a_site_becomes_what_is_known_of_it(
    *, play: str, before: str, end: str, seen: dict[str, Any], started: bool, after: str
) -> None:
    site = make_site(release=make_release(), state=SiteState(before))
    run = make_run(play, [site])
    with transaction() as session:
        run = session.merge(run)
        outcomes.begin(session, run)
        (target,) = run.targets
        target.result = seen
        target.started_at = utc_now() if started else None
        outcomes.conclude(session, target, RunState(end), "pesan")
    found = db.session.get_one(Site, site.id, populate_existing=True)
    assert found.state is SiteState(after)
    assert found.message == "pesan"
    assert found.checked_at is not None


def test_an_install_that_succeeds_serves_the_release_that_was_wanted() -> None:
    wanted = make_release()
    site = make_site(wanted_release_id=wanted.id)
    assert site.release_id is None
    with transaction() as session:
        run = session.merge(make_run("install", [site]))
        outcomes.conclude(session, run.targets[0], RunState.SUCCEEDED)
    found = db.session.get_one(Site, site.id, populate_existing=True)
    assert (found.release_id, found.installed_at is not None) == (wanted.id, True)


def test_a_site_mended_after_its_install_failed_serves_the_release_that_was_wanted() -> None:
    wanted = make_release()
    site = make_site(wanted_release_id=wanted.id, state=SiteState.BROKEN)
    with transaction() as session:
        run = session.merge(make_run("health", [site]))
        outcomes.conclude(session, run.targets[0], RunState.SUCCEEDED)
    found = db.session.get_one(Site, site.id, populate_existing=True)
    assert (found.state, found.release_id) == (SiteState.ACTIVE, wanted.id)
    assert found.installed_at is not None


@pytest.mark.parametrize(
    ("end", "state"),
    [("succeeded", "ready"), ("failed", "failed"), ("cancelled", "enrolled")],
)
def test_a_server_is_ready_once_it_was_prepared(end: str, state: str) -> None:
    server = make_server(state=ServerState.ENROLLED)
    with transaction() as session:
        run = session.merge(make_run("server", [server]))
        outcomes.conclude(session, run.targets[0], RunState(end))
    assert db.session.get_one(Server, server.id, populate_existing=True).state == state


def test_failed_checks_are_one_line() -> None:
    checks = [
        {"name": "home", "ok": True, "detail": "200"},
        {"name": "login", "ok": False, "detail": "500"},
        {"name": "log", "ok": False, "detail": "2 errors"},
    ]
    assert outcomes.describe({"checks": checks}) == "login: 500; log: 2 errors"
