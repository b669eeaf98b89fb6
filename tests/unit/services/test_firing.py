"""The clock fires each slot once, catches up once, gives up what is too late, and says why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from siappakai.domain.alerts import AlertKind
from siappakai.domain.recurrence import Every, Recurrence
from siappakai.domain.schedules import OccurrenceState, Refusal
from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.models import Alert, AuditEntry, Occurrence, Run, Schedule, db
from siappakai.models.transactions import transaction
from siappakai.services import (
    alerts,
    execution,
    firing,
    pruning,
    rounds,
    schedules,
    settings,
    sites,
)
from siappakai.services.schedule_orders import Order
from siappakai.wording import unpack
from tests.factories import (
    BY,
    make_district,
    make_release,
    make_run,
    make_server,
    make_site,
    make_village,
)

pytestmark = pytest.mark.usefixtures("registry")

# Every day at 02:00 in Jakarta; the mark is at midnight there.
DUE = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
MIDNIGHT = "2026-11-23T00:00:00"
DAILY = Order("health", Recurrence(Every.DAY, "02:00"))
ON_THE_DOT = DUE + timedelta(seconds=15)


def plan(order: Order = DAILY, name: str = "Malam", mark: str = MIDNIGHT) -> Schedule:
    schedule = schedules.create_schedule(name=name, order=order, by=BY)
    with transaction() as session:
        session.get_one(Schedule, schedule.id).settled_until = mark
    return schedule


def noted() -> list[Occurrence]:
    db.session.expire_all()
    return list(db.session.scalars(select(Occurrence).order_by(Occurrence.id)))


def states() -> list[str]:
    return [f"{one.slot[5:16]} {one.state.value}" for one in noted()]


def failing_alerts() -> list[Alert]:
    db.session.expire_all()
    return list(db.session.scalars(select(Alert).where(Alert.kind == AlertKind.SCHEDULE_FAILING)))


def finish_runs() -> None:
    with transaction():
        for run in all_runs():
            run.state = RunState.SUCCEEDED


def all_runs() -> list[Run]:
    return list(db.session.scalars(select(Run).order_by(Run.id)))


@pytest.fixture
def site():
    return make_site(release=make_release())


def test_nothing_is_fired_before_its_time(site):
    plan()
    firing.fire_due(DUE - timedelta(seconds=1))
    assert noted() == []


def test_a_slot_is_fired_once_however_often_the_clock_goes_round(site):
    schedule = plan()
    for seconds in (0, 15, 30, 3600):
        firing.fire_due(DUE + timedelta(seconds=seconds))
    (run,) = all_runs()
    (one,) = noted()
    assert (one.state, one.run_ids, one.refusals) == (OccurrenceState.FIRED, [run.id], [])
    assert (one.due_at, one.fired_at) == (DUE, DUE)
    assert run.requested_by == "schedule:Malam"
    assert run.targets[0].site_id == site.id
    assert schedule.settled_until == "2026-11-23T02:00:00"


@pytest.mark.patient
def test_the_clocks_round_fires_and_is_noted(site):
    plan(mark="2026-01-01T00:00:00")
    execution.tick()
    assert noted()
    assert rounds.last_tick_at() is not None


def test_after_a_standstill_the_newest_is_caught_up_once_and_marked(site):
    plan()
    firing.fire_due(DUE + timedelta(days=3, minutes=40))
    assert states() == [
        "11-23T02:00 missed",
        "11-24T02:00 missed",
        "11-25T02:00 missed",
        "11-26T02:00 caught_up",
    ]
    assert len(all_runs()) == 1


def test_beyond_its_grace_it_is_missed(site):
    plan()
    firing.fire_due(DUE + timedelta(minutes=61))
    assert states() == ["11-23T02:00 missed"]
    assert noted()[0].refusals[0]["cause"] == Refusal.LATE
    assert all_runs() == []
    firing.fire_due(DUE + timedelta(days=1))
    assert states()[-1] == "11-24T02:00 fired"


def test_a_pause_is_not_made_up_for_but_within_the_grace(site):
    schedule = plan()
    schedules.set_paused(schedule.id, is_paused=True, by=BY)
    firing.fire_due(DUE + timedelta(days=2, minutes=30))
    assert noted() == []
    late = DUE + timedelta(days=2, minutes=30)
    schedules.set_paused(schedule.id, is_paused=False, by=BY, now=late)
    firing.fire_due(late)
    assert states() == ["11-25T02:00 caught_up"]
    schedules.set_paused(schedule.id, is_paused=True, by=BY)
    later = DUE + timedelta(days=4, hours=2)
    schedules.set_paused(schedule.id, is_paused=False, by=BY, now=later)
    firing.fire_due(later)
    assert len(noted()) == 1


def test_a_zone_that_changes_fires_no_day_twice_and_none_never(site):
    settings.put(settings.TIMEZONE, "Asia/Makassar", by=BY)
    plan()
    firing.fire_due(DUE - timedelta(hours=1))  # 02:00 in Makassar
    assert len(noted()) == 1
    finish_runs()
    settings.put(settings.TIMEZONE, "Asia/Jakarta", by=BY)
    firing.fire_due(DUE)  # 02:00 again, of the same day
    assert len(noted()) == 1
    firing.fire_due(DUE + timedelta(days=1))
    finish_runs()
    settings.put(settings.TIMEZONE, "Asia/Jayapura", by=BY)
    firing.fire_due(DUE + timedelta(days=2, hours=-2))
    assert states() == ["11-23T02:00 fired", "11-24T02:00 fired", "11-25T02:00 fired"]


def test_a_spread_puts_off_by_the_same_each_time_it_is_asked(site):
    schedule = plan(replace(DAILY, spread_minutes=60))
    due = schedules.due_at(schedule, datetime.fromisoformat("2026-11-23T02:00"), schedules.here())
    assert DUE <= due < DUE + timedelta(hours=1)
    firing.fire_due(due - timedelta(seconds=1))
    assert noted() == []
    firing.fire_due(due)
    assert noted()[0].due_at == due
    assert states() == ["11-23T02:00 fired"]


def test_a_district_or_a_server_alone():
    release = make_release()
    near = make_site(make_village(district=make_district("510201")), release=release)
    far = make_site(make_village(district=make_district("510202", "Kerambitan")), release=release)
    other = make_server("lain")
    third = make_site(make_village(), other, release=release)
    plan(replace(DAILY, district="510202"), "Kecamatan")
    plan(replace(DAILY, server_id=other.id), "Server")
    plan(DAILY, "Semua")
    firing.fire_due(ON_THE_DOT)
    asked = [sorted(target.site_id for target in run.targets) for run in all_runs()]
    # The whole fleet is left out where something of the kind is unfinished.
    assert asked == [[far.id], [third.id]]
    assert near.id not in {number for ids in asked for number in ids}
    assert states()[-1].endswith("refused")


def test_a_drained_fleet_refuses_and_is_not_asked_again(site):
    settings.set_drain(drain=True, by=BY)
    plan()
    firing.fire_due(ON_THE_DOT)
    settings.set_drain(drain=False, by=BY)
    firing.fire_due(ON_THE_DOT + timedelta(minutes=1))
    (one,) = noted()
    assert (one.state, one.refusals[0]["cause"]) == (OccurrenceState.REFUSED, Refusal.DRAINED)
    assert all_runs() == []


def test_a_busy_server_is_left_out_the_others_are_not():
    release = make_release()
    busy = make_site(make_village(), make_server("sibuk"), release=release)
    idle = make_site(make_village(), make_server("senggang"), release=release)
    make_run("health", [busy], state=RunState.RUNNING)
    plan()
    firing.fire_due(ON_THE_DOT)
    (one,) = noted()
    assert one.state is OccurrenceState.FIRED
    assert [(left["cause"], left["server"]) for left in one.refusals] == [(Refusal.BUSY, "sibuk")]
    assert [target.site_id for target in all_runs()[-1].targets] == [idle.id]


def test_a_server_that_was_forgotten_is_said_to_be_gone():
    server = make_server()
    plan(replace(DAILY, server_id=server.id))
    with transaction():
        server.state = ServerState.FORGOTTEN
    firing.fire_due(ON_THE_DOT)
    assert noted()[0].refusals[0]["cause"] == Refusal.GONE


def test_nothing_to_do_is_no_refusal():
    plan(name="Tanpa server")
    firing.fire_due(ON_THE_DOT)
    make_server()
    plan(name="Tanpa situs")
    firing.fire_due(ON_THE_DOT)
    assert [(one.state.value, one.run_ids, one.refusals) for one in noted()] == [
        ("fired", [], []),
        ("fired", [], []),
    ]


def test_planned_sites_are_installed_at_the_release_planned_for_them():
    old, new = make_release("v2409.0.0"), make_release("v2410.0.0")
    planned = [make_site(make_village()) for _ in range(3)]
    make_site(make_village(), release=new)
    with transaction():
        planned[0].wanted_release_id, planned[1].wanted_release_id = old.id, new.id
    plan(replace(DAILY, action="install"))
    firing.fire_due(ON_THE_DOT)
    assert [[t.site_id for t in run.targets] for run in all_runs()] == [
        [planned[0].id],
        [planned[1].id],
    ]
    assert {run.play for run in all_runs()} == {"install"}


def test_what_a_rule_forbids_on_one_server_is_undone_there_and_told():
    """The first release is fine, the second was never seen on this PHP: neither is asked for."""
    seen, unseen = make_release(), make_release("v2411.0.0", php_versions=["8.4"])
    mixed, good = make_server("campur"), make_server("baik")
    odd = [make_site(make_village(), mixed) for _ in range(2)]
    fine = make_site(make_village(), good)
    with transaction():
        odd[0].wanted_release_id, odd[1].wanted_release_id = seen.id, unseen.id
        fine.wanted_release_id = seen.id
    plan(replace(DAILY, action="install"))
    firing.fire_due(ON_THE_DOT)
    (one,) = noted()
    (run,) = all_runs()
    assert [target.site_id for target in run.targets] == [fine.id]
    assert (one.state, one.run_ids) == (OccurrenceState.FIRED, [run.id])
    (left,) = one.refusals
    assert (left["cause"], left["server"]) == (Refusal.RULE, "campur")
    assert "8.2" in unpack(left["message"])
    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "run.install"))
    assert [entry.subject for entry in entries] == [f"run {run.id}"]


def test_servers_are_prepared_each_by_a_run():
    make_server(), make_server(state=ServerState.FAILED), make_server(state=ServerState.FORGOTTEN)
    plan(replace(DAILY, action="prepare"))
    firing.fire_due(ON_THE_DOT)
    assert [run.play for run in all_runs()] == ["server", "server"]


def test_a_planned_site_is_not_looked_at():
    sites_before = make_site()
    assert sites_before.state is SiteState.PLANNED
    plan()
    firing.fire_due(ON_THE_DOT)
    assert all_runs() == []
    assert sites.get_site(sites_before.id).state is SiteState.PLANNED


def test_one_that_cannot_be_fired_holds_up_no_other_and_stays_due():
    make_site(release=make_release())
    broken, good = plan(name="Rusak"), plan(name="Baik")
    with transaction():
        broken.action = "melompat"
    firing.fire_due(ON_THE_DOT)
    (one,) = noted()
    assert one.schedule_id == good.id
    assert broken.settled_until == MIDNIGHT
    assert broken.failure.startswith("KeyError, _is_done_at_once, firing.py:")


def test_one_whose_times_cannot_be_read_holds_up_no_other():
    make_site(release=make_release())
    broken, good = plan(name="Rusak"), plan(name="Baik")
    with transaction():
        broken.at = "jam"
    firing.fire_due(ON_THE_DOT)
    assert [one.schedule_id for one in noted()] == [good.id]
    assert broken.failure.startswith("InvalidInputError, ")


def test_one_that_cannot_be_fired_is_an_alert_until_it_fires_again():
    make_site(release=make_release())
    broken = plan()
    with transaction():
        broken.action = "melompat"
    begin = ON_THE_DOT - timedelta(minutes=5)
    for seconds in (0, 15, 30):
        firing.fire_due(ON_THE_DOT + timedelta(seconds=seconds))
    alerts.review(since=begin, now=ON_THE_DOT + timedelta(seconds=45))
    assert failing_alerts() == []

    firing.fire_due(ON_THE_DOT + timedelta(minutes=1))
    alerts.review(since=begin, now=ON_THE_DOT + timedelta(minutes=1))
    (alert,) = failing_alerts()
    story = alerts.indonesian_story(alert)
    assert story.title == "Jadwal tidak dapat dijalankan: Malam"
    assert "KeyError, _is_done_at_once, firing.py:" in story.meaning
    assert alert.params["since"] == ON_THE_DOT.isoformat()

    with transaction():
        broken.action = "health"
    firing.fire_due(ON_THE_DOT + timedelta(minutes=2))
    alerts.review(since=begin, now=ON_THE_DOT + timedelta(minutes=2))
    assert failing_alerts()[0].ended_at is not None
    assert (broken.failure, broken.failing_since) == ("", None)


def test_one_that_is_changed_or_paused_is_tried_anew_before_it_is_an_alert():
    broken = plan()
    with transaction():
        broken.note_failure("KeyError", ON_THE_DOT)
    schedules.update_schedule(broken.id, order=replace(DAILY, grace_minutes=5), by=BY)
    assert broken.failing_since is None
    with transaction():
        broken.note_failure("KeyError", ON_THE_DOT)
    schedules.set_paused(broken.id, is_paused=True, by=BY)
    assert broken.failing_since is None


PRUNING = Order("prune", Recurrence(Every.DAY, "02:00"))


def test_what_is_left_to_prune_keeps_its_slot_due(monkeypatch: pytest.MonkeyPatch):
    plan(PRUNING)
    for is_complete, expected in ((False, []), (True, ["11-23T02:00 fired"])):
        pruned = pruning.Pruned(0, 0, 0, is_complete=is_complete)
        monkeypatch.setattr(pruning, "prune", lambda _by, pruned=pruned: pruned)
        firing.fire_due(ON_THE_DOT)
        assert states() == expected
    assert failing_alerts() == []


def test_pruning_that_breaks_is_tried_again_and_then_forgotten(monkeypatch: pytest.MonkeyPatch):
    schedule = plan(PRUNING)

    def break_off(_by: str) -> None:
        raise OSError("database is locked")

    with monkeypatch.context() as broken:
        broken.setattr(pruning, "prune", break_off)
        firing.fire_due(ON_THE_DOT)
    db.session.expire_all()
    assert (states(), "OSError" in schedule.failure) == ([], True)
    firing.fire_due(ON_THE_DOT + timedelta(seconds=15))
    db.session.expire_all()
    assert (states(), schedule.failing_since) == (["11-23T02:00 fired"], None)


def test_an_error_like_another_clocks_is_a_failure_when_the_slot_is_still_due(
    site, monkeypatch: pytest.MonkeyPatch
):
    schedule = plan()

    def collide(*_: object) -> None:
        raise IntegrityError("insert", {}, ValueError("unique"))

    monkeypatch.setattr(firing, "_do_on", collide)
    firing.fire_due(ON_THE_DOT)
    db.session.expire_all()
    assert "IntegrityError" in schedule.failure
