"""Taking the demonstration's server out of service before it is removed."""

from datetime import timedelta

import pytest

from siappakai.domain.states import RunState, ServerState
from siappakai.errors import ConflictError
from siappakai.models import Run, Server, db, registry_now
from siappakai.services import demo
from tests.factories import make_run, make_server, make_site

pytestmark = pytest.mark.usefixtures("registry")


def test_what_waits_for_its_turn_is_cancelled_and_nothing_new_is_asked_for() -> None:
    server = make_server()
    waiting = make_run("install", [make_site(server=server)])
    demo.take_out_of_service(server.id)
    assert db.session.get_one(Run, waiting.id, populate_existing=True).state is RunState.CANCELLED
    kept = db.session.get_one(Server, server.id, populate_existing=True)
    assert kept.state is ServerState.ENROLLED


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.LOST])
def test_what_is_being_worked_on_stays(state: RunState) -> None:
    server = make_server()
    soon = registry_now(db.session()) + timedelta(minutes=1)
    make_run("install", [make_site(server=server)], state=state, lease_until=soon)
    with pytest.raises(ConflictError, match="masih berjalan"):
        demo.take_out_of_service(server.id)
    kept = db.session.get_one(Server, server.id, populate_existing=True)
    assert kept.state is ServerState.READY


def test_a_lost_run_that_nobody_settles_is_no_obstacle() -> None:
    server = make_server()
    make_run("install", [make_site(server=server)], state=RunState.LOST)
    demo.take_out_of_service(server.id)
