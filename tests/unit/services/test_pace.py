"""The time left of a run, from what such runs took before."""

from datetime import timedelta

import pytest

from siappakai.domain.states import RunState
from siappakai.models import Run, Server, Site, utc_now
from siappakai.services import pace
from tests.databases import every_database
from tests.factories import make_release, make_run, make_server, make_site

pytestmark = [every_database, pytest.mark.usefixtures("registry")]
NOW = utc_now()


def sites(server: Server, count: int) -> list[Site]:
    return [make_site(server=server, release=make_release()) for _ in range(count)]


def ended(seconds: int, targets: list[Site], play: str = "health") -> Run:
    began = NOW - timedelta(days=1)
    until = began + timedelta(seconds=seconds)
    return make_run(play, targets, state=RunState.SUCCEEDED, started_at=began, ended_at=until)


def running(targets: list[Site]) -> Run:
    began = NOW - timedelta(seconds=10)
    return make_run("health", targets, state=RunState.RUNNING, started_at=began)


def test_each_target_adds_to_what_every_run_costs() -> None:
    here = sites(make_server(), 4)
    ended(7, here[:1])
    ended(11, here[:3])
    ended(900, sites(make_server("lain"), 2))
    ended(900, here, play="install")
    assert pace.time_left(running(here), now=NOW) == timedelta(seconds=5 + 2 * 4 - 10)


def test_one_run_of_the_past_is_enough() -> None:
    here = sites(make_server(), 4)
    ended(20, here[:2])
    assert pace.time_left(running(here), now=NOW) == timedelta(seconds=30)


def test_what_is_not_known_is_not_guessed() -> None:
    here = sites(make_server(), 2)
    assert pace.time_left(running(here), now=NOW) is None
    ended(4, here)
    assert pace.time_left(running(here), now=NOW) is None, "it takes longer than usual"
    assert pace.time_left(make_run("health", here), now=NOW) is None, "it has not begun"
