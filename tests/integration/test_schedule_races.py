"""Several clocks at once, and one killed at its worst moments: each slot is fired once."""

import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from siappakai.config import Settings
from siappakai.domain.recurrence import Every, Recurrence
from siappakai.domain.states import RunState
from siappakai.models import AuditEntry, Occurrence, Run, Schedule, db
from siappakai.models.app import open_registry
from siappakai.models.transactions import transaction
from siappakai.services import audit, firing, runs, schedules
from siappakai.services.schedule_orders import Order
from tests.databases import every_database
from tests.factories import BY, make_release, make_server, make_site, make_village

pytestmark = [pytest.mark.integration, every_database]

# 02:00 in Jakarta, two hours after the mark.
DUE = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
CLOCKS = 4
NAMES = ("Satu", "Dua", "Tiga")


@pytest.fixture
def planned(registry: Flask) -> Flask:
    """Three schedules that are due at the same moment, each for a server of its own."""
    release = make_release()
    for name in NAMES:
        server = make_server(name)
        make_site(make_village(), server, release=release)
        rule = Recurrence(Every.DAY, "02:00")
        order = Order("health", rule, server_id=server.id)
        schedules.create_schedule(name=name, order=order, by=BY)
    with transaction() as session:
        for schedule in session.scalars(select(Schedule)):
            schedule.settled_until = "2026-11-23T00:00:00"
    return registry


def assert_once() -> None:
    db.session.rollback()
    db.session.expire_all()
    occurrences = db.session.scalars(select(Occurrence)).all()
    found = db.session.scalars(select(Run)).all()
    assert sorted(one.schedule.name for one in occurrences) == sorted(NAMES)
    assert sorted(one.run_ids[0] for one in occurrences) == sorted(run.id for run in found)
    assert {run.state for run in found} == {RunState.QUEUED}
    noted = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "run.health")).all()
    assert len(noted) == len(NAMES)
    assert audit.verify().broken is None


def test_several_clocks_at_once_fire_each_slot_once(planned: Flask) -> None:
    def go_round(_clock: int) -> None:
        with planned.app_context():
            firing.fire_due(DUE)

    db.session.commit()
    with ThreadPoolExecutor(CLOCKS) as pool:
        list(pool.map(go_round, range(CLOCKS)))
    assert_once()


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fire_and_die(settings: Settings, where: str) -> None:
    # Before anything of it is committed, or when all is and no worker was told.
    module, name = {"before": (firing, "_note"), "after": (runs, "ring")}[where]
    setattr(module, name, _die)
    with open_registry(settings):
        firing.fire_due(DUE)


@pytest.mark.parametrize(("where", "left"), [("before", 0), ("after", 1)])
def test_a_clock_killed_half_way_leaves_all_or_nothing(
    planned: Flask, where: str, left: int
) -> None:
    settings = planned.extensions["siappakai.settings"]
    db.session.commit()
    clock = multiprocessing.get_context("spawn").Process(
        target=_fire_and_die, args=(settings, where)
    )
    clock.start()
    clock.join()
    assert clock.exitcode == -signal.SIGKILL
    assert len(db.session.scalars(select(Run)).all()) == left
    assert len(db.session.scalars(select(Occurrence)).all()) == left
    db.session.rollback()
    firing.fire_due(DUE + timedelta(minutes=1))
    assert_once()
