"""Schedules as people keep them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from siappakai.domain.recurrence import Every, Recurrence
from siappakai.domain.states import ServerState
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError
from siappakai.models import Occurrence, Schedule, db, registry_now
from siappakai.models.transactions import transaction
from siappakai.services import audit, demo, firing, schedules, settings
from siappakai.services.schedule_orders import Order, order_of
from tests.factories import BY, make_district, make_server, make_site

pytestmark = pytest.mark.usefixtures("registry")

DAILY = Order("health", Recurrence(Every.DAY, "02:00"))


def create(order: Order = DAILY, name: str = "Periksa malam", **given: bool) -> Schedule:
    return schedules.create_schedule(name=name, order=order, by=BY, **given)


def test_a_schedule_is_kept_as_it_was_ordered_and_its_making_is_noted():
    make_district("510201")
    order = Order(
        "health",
        Recurrence(Every.WEEK, "02.30", weekdays=["fr", "mo"]),
        district="51.02.01",
        spread_minutes=20,
        grace_minutes=90,
    )
    kept = schedules.get_schedule(create(order).id)
    assert order_of(kept) == replace(
        order,
        recurrence=Recurrence(Every.WEEK, "02:30", ("mo", "fr")),
        district="510201",
    )
    (entry,) = audit.list_entries(action="schedule.").items
    assert (entry.action, entry.subject, entry.actor) == ("schedule.create", "Periksa malam", BY)


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (replace(DAILY, action="remove"), "action"),
        (replace(DAILY, server_id=99), "server_id"),
        (replace(DAILY, district="51.02.99"), "district"),
        (replace(DAILY, district="51"), "district"),
        (replace(DAILY, action="prepare", district="51.02.01"), "district"),
        (replace(DAILY, action="prune", server_id=1), "server_id"),
        (replace(DAILY, action="prune", district="51.02.01"), "district"),
        (replace(DAILY, grace_minutes=4), "grace_minutes"),
        (replace(DAILY, grace_minutes=7 * 24 * 60 + 1), "grace_minutes"),
        (replace(DAILY, spread_minutes=-1), "spread_minutes"),
        (replace(DAILY, recurrence=Recurrence(Every.DAY, "25:00")), "at"),
    ],
)
def test_a_bad_order_names_its_field_and_changes_nothing(order: Order, field: str):
    make_server()
    make_district("510201")
    with pytest.raises(InvalidInputError) as refused:
        create(order)
    assert refused.value.field == field
    assert schedules.list_schedules() == []


def test_a_forgotten_server_cannot_be_chosen():
    server = make_server(state=ServerState.FORGOTTEN)
    with pytest.raises(InvalidInputError):
        create(replace(DAILY, server_id=server.id))


def test_names_are_taken_once():
    create()
    with pytest.raises(ConflictError):
        create()
    other = create(name="Lain")
    with pytest.raises(ConflictError):
        schedules.update_schedule(other.id, name="Periksa malam", by=BY)
    with pytest.raises(InvalidInputError):
        create(name="\n")


def test_what_is_changed_is_noted_and_nothing_is_when_nothing_changes():
    schedule = create()
    schedules.update_schedule(schedule.id, name="Periksa malam", order=DAILY, by=BY)
    assert audit.list_entries(action="schedule.update").total == 0
    schedules.update_schedule(
        schedule.id, name="Fajar", order=replace(DAILY, grace_minutes=30), by=BY
    )
    (entry,) = audit.list_entries(action="schedule.update").items
    assert entry.detail == {"grace_minutes": 30, "name": "Fajar"}
    assert schedules.find_schedule("Fajar").grace_minutes == 30


def test_new_times_begin_now_and_other_changes_leave_the_mark():
    schedule = create()
    with transaction() as session:
        session.get_one(Schedule, schedule.id).settled_until = "2026-01-01T00:00:00"
    schedules.update_schedule(schedule.id, order=replace(DAILY, spread_minutes=5), by=BY)
    assert schedule.settled_until == "2026-01-01T00:00:00"
    again = replace(DAILY, recurrence=Recurrence(Every.DAY, "03:00"))
    schedules.update_schedule(schedule.id, order=again, by=BY)
    assert schedule.settled_until == schedules.now_here(registry_now(db.session()))[:19]


def test_the_next_times_are_those_of_the_regencys_clocks():
    schedule = create()
    times = schedules.upcoming(schedule)
    assert len(times) == 5
    assert {one.hour for one in times} == {19}  # 02:00 in Jakarta
    assert times[0] > registry_now(db.session())
    settings.put(settings.TIMEZONE, "Asia/Jayapura", by=BY)
    assert {one.hour for one in schedules.upcoming(schedule)} == {17}


def test_what_comes_next_of_all_soonest_first_without_what_is_paused():
    here = datetime.now(UTC) + timedelta(hours=7)
    for name, hours in (("Lambat", 3), ("Segera", 2)):
        at = Recurrence(Every.DAY, f"{here + timedelta(hours=hours):%H:%M}")
        create(replace(DAILY, recurrence=at), name=name)
    create(name="Diam", is_paused=True)
    assert [one.schedule.name for one in schedules.next_planned()] == ["Segera", "Lambat"]
    assert [one.schedule.name for one in schedules.next_planned(1)] == ["Segera"]


def test_pausing_and_resuming_are_noted_once():
    schedule = create()
    for is_paused in (True, True, False, False):
        schedules.set_paused(schedule.id, is_paused=is_paused, by=BY)
    verbs = [entry.action for entry in audit.list_entries(action="schedule.").items]
    assert verbs == ["schedule.resume", "schedule.pause", "schedule.create"]


def test_a_deleted_schedule_leaves_its_runs_and_takes_its_record():
    schedule = create()
    with transaction() as session:
        session.get_one(Schedule, schedule.id).settled_until = "2026-01-01T02:00:00"
    firing.fire_due(datetime(2026, 1, 1, 19, 0, tzinfo=UTC))
    assert schedules.occurrences_of(schedule).total == 1
    schedules.delete_schedule(schedule.id, by=BY)
    assert db.session.scalars(select(Occurrence)).all() == []
    with pytest.raises(NotFoundError):
        schedules.get_schedule(schedule.id)
    with pytest.raises(NotFoundError):
        schedules.delete_schedule(schedule.id, by=BY)


def test_a_demonstration_that_is_removed_takes_what_was_planned_for_it():
    site = make_site()
    create(replace(DAILY, server_id=site.server_id))
    demo.forget_server(site.server_id)
    assert schedules.list_schedules() == []
