"""Two at one run in the same moment, where rows are locked: who comes second sees the first."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask

from siappakai.domain.states import RunState
from siappakai.models import Run, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import leases, runs
from tests.factories import BY, make_run, make_site

pytestmark = [
    pytest.mark.integration,
    # SQLite has one writer at a time.
    pytest.mark.parametrize(
        "registry",
        ["postgresql", pytest.param("mariadb", marks=pytest.mark.soak)],
        indirect=True,
    ),
]


def test_a_cancel_that_meets_a_claim_asks_the_worker_to_stop(
    registry: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = make_run(targets=[make_site()]).id
    db.session.commit()
    read = runs.get_run

    def claim() -> None:
        with registry.app_context():
            assert leases.claim(wanted) is not None

    def read_before_the_claim(run_id: int) -> Run:
        found = read(run_id)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(claim).result()
        return found

    monkeypatch.setattr(runs, "get_run", read_before_the_claim)
    run = runs.request_cancel(wanted, by=BY)
    assert run.state is RunState.RUNNING
    assert run.cancel_requested


def test_a_heartbeat_being_written_keeps_its_run(registry: Flask) -> None:
    late = utc_now() - timedelta(minutes=5)
    wanted = make_run(state=RunState.RUNNING, lease_until=late).id
    db.session.commit()
    written, seen = threading.Event(), threading.Event()

    def beat() -> None:
        with registry.app_context(), transaction() as session:
            session.get_one(Run, wanted, with_for_update=True).lease_until = utc_now() + (
                timedelta(minutes=5)
            )
            session.flush()
            written.set()
            seen.wait(10)

    heart = threading.Thread(target=beat)
    heart.start()
    assert written.wait(10)
    lost = leases.expired()
    seen.set()
    heart.join()
    db.session.expire_all()
    assert lost == []
    assert db.session.get_one(Run, wanted).state is RunState.RUNNING
