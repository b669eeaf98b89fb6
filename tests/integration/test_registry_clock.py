"""Leases are measured by the registry's own clock, whatever database it is."""

from datetime import UTC, timedelta

import pytest

from siappakai.domain.states import RunState
from siappakai.models import Run, db, registry_now, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import leases
from tests.databases import every_database
from tests.factories import make_run, make_server, make_site

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("registry"), every_database]


def test_the_registrys_time_is_ours_in_utc_and_goes_on() -> None:
    first = registry_now(db.session())
    assert first.tzinfo is UTC
    assert abs(first - utc_now()) < timedelta(seconds=5)
    assert registry_now(db.session()) >= first


def test_a_lease_lives_and_expires_by_it() -> None:
    server = make_server(parallelism=4)
    lost, alive = (make_run("install", [make_site(server=server)]) for _ in range(2))
    claims = [leases.claim(run.id) for run in (lost, alive)]
    assert all(claims)
    assert leases.expired() == []
    with transaction() as session:
        session.get_one(Run, lost.id).lease_until = registry_now(session) - timedelta(seconds=1)
    assert leases.expired() == [lost.id]
    assert leases.claim_lost(lost.id) is not None
    db.session.commit()
    assert db.session.get_one(Run, alive.id).state is RunState.RUNNING
