"""What the dashboard says failed, as runs come and go."""

from __future__ import annotations

import pytest

from siappakai.domain.states import RunState
from siappakai.models import db
from siappakai.models.transactions import transaction
from siappakai.services import overview, runs
from tests.factories import BY, make_release, make_run, make_server, make_site, make_village

pytestmark = pytest.mark.usefixtures("registry")


def failing() -> list[str]:
    return [target.label for target in overview.standing_failures()]


def end(run_id: int, state: RunState) -> None:
    with transaction():
        run = runs.get_run(run_id)
        run.state = run.targets[0].state = state


@pytest.mark.parametrize("failed", [RunState.FAILED, RunState.LOST])
def test_a_failure_stands_until_something_newer_has_ended(failed: RunState) -> None:
    site = make_site(make_village(), release=make_release())
    run = make_run("health", [site], state=failed)
    again = runs.create_site_run("health", [site], by=BY)
    assert failing() == [run.targets[0].label]
    end(again.id, RunState.RUNNING)
    assert failing() == [run.targets[0].label]
    end(again.id, RunState.SUCCEEDED)
    assert failing() == []


def test_the_newest_failure_of_a_site_is_shown_once() -> None:
    site = make_site(make_village(), release=make_release())
    make_run("health", [site], state=RunState.FAILED)
    newest = make_run("health", [site], state=RunState.FAILED)
    make_run("health", [site], state=RunState.QUEUED)
    make_run("health", [site], state=RunState.RUNNING)
    shown = overview.standing_failures()
    assert [target.id for target in shown] == [newest.targets[0].id]


def test_a_site_and_its_server_fail_each_for_itself() -> None:
    server = make_server()
    site = make_site(make_village(), server, release=make_release())
    prepared = make_run("server", [server], state=RunState.FAILED)
    make_run("health", [site], state=RunState.SUCCEEDED)
    assert failing() == [prepared.targets[0].label]
    again = runs.create_server_run("server", server, by=BY)
    assert failing() == [prepared.targets[0].label]
    end(again.id, RunState.SUCCEEDED)
    assert failing() == []


def test_one_target_of_each_site_has_nothing_after_it() -> None:
    sites = [make_site(make_village(), release=make_release()) for _ in range(2)]
    first = make_run("health", sites, state=RunState.FAILED)
    second = runs.create_site_run("health", sites[:1], by=BY)
    db.session.expire_all()
    assert [target.followed for target in first.targets] == [True, False]
    assert [target.followed for target in second.targets] == [False]
