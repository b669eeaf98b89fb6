"""What is forgotten, and what stays."""

from datetime import timedelta

import pytest
from sqlalchemy import event, func, insert, select
from sqlalchemy.orm import Session

from siappakai.domain.alerts import AlertKind, Finding, Severity
from siappakai.domain.recurrence import Every, Recurrence
from siappakai.domain.schedules import OccurrenceState
from siappakai.domain.states import RunState, StepState
from siappakai.models import (
    Alert,
    AuditEntry,
    Base,
    Delivery,
    LogChunk,
    Occurrence,
    Run,
    Step,
    Target,
    db,
    utc_now,
)
from siappakai.models.transactions import transaction
from siappakai.services import alerts, audit, channels, firing, pruning, schedules
from siappakai.services.pruning import Pruned
from siappakai.services.schedule_orders import Order
from tests.factories import BY, make_run

pytestmark = pytest.mark.usefixtures("registry")

NOW = utc_now()
LONG_AGO = NOW - timedelta(days=400)


def count(model: type[Base]) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def steps_left(session: Session) -> int:
    return session.scalar(select(func.count(Step.id))) or 0


def logs_left(session: Session) -> int:
    return session.scalar(select(func.count(LogChunk.id))) or 0


def logged_run(ended_days_ago: int | None) -> Run:
    ended = None if ended_days_ago is None else NOW - timedelta(days=ended_days_ago)
    run = make_run(state=RunState.SUCCEEDED if ended else RunState.RUNNING, ended_at=ended)
    with transaction() as session:
        session.add(LogChunk(run_id=run.id, first_line=0, lines=1, data=b"x"))
        session.add(Step(target_id=run.targets[0].id, name="Langkah", state=StepState.OK))
    return run


def test_logs_and_steps_of_old_runs_go_and_the_runs_stay():
    old, young, going = logged_run(91), logged_run(89), logged_run(None)
    assert pruning.prune(BY, NOW) == Pruned(runs=1, alerts=0, occurrences=0)
    left = set(db.session.scalars(select(LogChunk.run_id)))
    assert left == {young.id, going.id}
    assert count(Step) == 2
    assert (count(Run), count(Target)) == (3, 3)
    assert old.targets[0].state is RunState.SUCCEEDED
    assert pruning.prune(BY, NOW) == Pruned(runs=0, alerts=0, occurrences=0)


def test_it_goes_in_small_transactions_and_logs_last():
    run = logged_run(91)
    (target,) = run.targets
    steps = pruning.ROWS_AT_ONCE + 10
    row = {"target_id": target.id, "name": "Langkah", "state": StepState.OK}
    with transaction() as session:
        session.execute(insert(Step), [row] * (steps - count(Step)))
    left: list[tuple[int, int]] = []

    def note(session: Session) -> None:
        if not session.in_nested_transaction():
            left.append((steps_left(session), logs_left(session)))

    event.listen(db.session, "before_commit", note)
    try:
        assert pruning.prune(BY, NOW).runs == 1
    finally:
        event.remove(db.session, "before_commit", note)
    seen = list(dict.fromkeys(left))
    assert seen == [(steps, 1), (10, 1), (0, 1), (0, 0)]
    assert len(audit.list_entries(action="registry.prune").items) == 1


def test_what_was_cut_off_is_forgotten_the_next_time(monkeypatch: pytest.MonkeyPatch):
    logged_run(91)
    with monkeypatch.context() as hurry:
        hurry.setattr(pruning, "_MOST_SECONDS", 0.0)
        assert pruning.prune(BY, NOW) == Pruned(0, 0, 0, is_complete=False)
    assert count(LogChunk) == 1
    assert pruning.prune(BY, NOW) == Pruned(1, 0, 0, is_complete=True)


def test_alerts_that_ended_long_ago_go_with_their_messages():
    channels.create_channel(name="Jaga", kind="apprise", address="json://127.0.0.1:9/x", by=BY)
    for subject in ("ended", "stands"):
        finding = Finding(AlertKind.QUEUE_DOWN, subject, "Redis", Severity.CRITICAL, "1")
        alerts.reconcile([finding], LONG_AGO)
    assert count(Delivery) == 2
    assert pruning.prune(BY, NOW).alerts == 1
    assert [one.subject for one in db.session.scalars(select(Alert))] == ["stands"]
    assert count(Delivery) == 1


def test_slots_go_after_a_year_but_the_newest_of_each_schedule():
    order = Order("prune", Recurrence(Every.DAY, "02:00"))
    for name in ("Satu", "Dua"):
        schedules.create_schedule(name=name, order=order, by=BY)
    with transaction() as session:
        for schedule in schedules.list_schedules():
            for day in range(3):
                session.add(
                    Occurrence(
                        schedule_id=schedule.id,
                        slot=f"2025-01-0{day + 1}T02:00:00",
                        due_at=LONG_AGO,
                        fired_at=LONG_AGO,
                        state=OccurrenceState.FIRED,
                    )
                )
    assert pruning.prune(BY, NOW).occurrences == 4
    assert {one.slot[:10] for one in db.session.scalars(select(Occurrence))} == {"2025-01-03"}


def test_it_is_noted_and_can_be_planned():
    order = Order("prune", Recurrence(Every.DAY, "02:00"))
    schedule = schedules.create_schedule(name="Rapikan", order=order, by=BY)
    (due,) = schedules.upcoming(schedule, 1)
    firing.fire_due(due)
    (entry,) = audit.list_entries(action="registry.prune").items
    assert entry.actor == "schedule:Rapikan"
    nothing = dict.fromkeys(("runs", "alerts", "occurrences", "backups"), 0)
    assert entry.detail == {**nothing, "is_complete": True}
    assert schedules.occurrences_of(schedule).items[0].state is OccurrenceState.FIRED


def test_the_clock_does_not_hold_its_transaction_meanwhile():
    order = Order("prune", Recurrence(Every.DAY, "02:00"))
    schedule = schedules.create_schedule(name="Rapikan", order=order, by=BY)
    (due,) = schedules.upcoming(schedule, 1)
    committed: list[tuple[int, int]] = []

    def note(session: Session) -> None:
        kept = session.scalars(select(AuditEntry.action)).all().count("registry.prune")
        committed.append((session.scalar(select(func.count(Occurrence.id))) or 0, kept))

    event.listen(db.session, "before_commit", note)
    try:
        firing.fire_due(due)
    finally:
        event.remove(db.session, "before_commit", note)
    assert (0, 1) in committed
    assert committed[-1] == (1, 1)
