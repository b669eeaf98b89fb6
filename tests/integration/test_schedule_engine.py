"""A schedule in earnest: the clock asks, a worker installs, the site answers."""

import os
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from siappakai.domain.recurrence import Every, Recurrence, local_time
from siappakai.domain.states import RunState
from siappakai.models import Occurrence, Run, Schedule, Site, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import releases, schedules
from siappakai.services.schedule_orders import Order
from tests.engine import INSTALLED_SECONDS, PARTS, Engine
from tests.factories import BY
from tests.sites import NEW

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(900),
]


def plan(site: Site, due: datetime) -> None:
    """Let a planned site be installed at a local time that has just passed."""
    order = Order("install", Recurrence(Every.DAY, f"{due:%H:%M}"))
    made = schedules.create_schedule(name="Pasang malam", order=order, by=BY)
    with transaction() as session:
        session.get_one(Site, site.id).wanted_release_id = releases.get_release(NEW).id
        mark = due - timedelta(minutes=1)
        session.get_one(Schedule, made.id).settled_until = mark.isoformat(timespec="seconds")


def fired() -> Occurrence | None:
    db.session.commit()
    return db.session.scalar(select(Occurrence))


def test_the_clock_has_a_planned_site_installed(engine: Engine) -> None:
    (site,) = engine.villages(1)
    plan(site, local_time(utc_now(), schedules.here()) - timedelta(minutes=1))
    engine.start(*PARTS)
    engine.until(lambda: fired() is not None)
    (run,) = db.session.scalars(select(Run))
    assert fired().run_ids == [run.id]
    ended = engine.settle(run, INSTALLED_SECONDS)
    assert ended.state is RunState.SUCCEEDED, engine.told(run)
    assert ended.requested_by == "schedule:Pasang malam"
    assert engine.answers(site)
    assert len(db.session.scalars(select(Run)).all()) == 1
