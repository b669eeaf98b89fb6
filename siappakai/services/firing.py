"""What the clock does for schedules: each slot once, late ones caught up once or given up."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session, contains_eager

from siappakai.domain.alerts import AlertKind, Finding, Severity
from siappakai.domain.recurrence import local_time
from siappakai.domain.schedules import ON_TIME, OccurrenceState, Refusal
from siappakai.domain.states import TERMINAL, ServerState
from siappakai.errors import SiapPakaiError
from siappakai.models import Occurrence, Run, Schedule, Server, Target, db, registry_now
from siappakai.models.transactions import attempt, transaction
from siappakai.services import settings
from siappakai.services.schedule_actions import ACTIONS, Action
from siappakai.services.schedules import due_at, here
from siappakai.wording import Packed, pack

log = logging.getLogger(__name__)

# The clock tries again every few seconds: what passes by itself is no alert.
_PATIENCE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Left:
    """Why something was left out, and on which server; `message` tells the rule, packed."""

    cause: Refusal
    server: str = ""
    message: Packed = ""


@dataclass(slots=True)
class _Result:
    """What became of a slot; refused until something of it was done."""

    state: OccurrenceState = OccurrenceState.REFUSED
    runs: list[Run] = field(default_factory=list)
    left: list[_Left] = field(default_factory=list)


def fire_due(now: datetime | None = None) -> None:
    """Fire every schedule whose time has come; two clocks at once do no harm."""
    now = now or registry_now(db.session())
    going = select(Schedule.id).where(Schedule.is_paused.is_(False)).order_by(Schedule.id)
    for schedule_id in db.session.scalars(going).all():
        try:
            _fire_if_due(schedule_id, now)
        except Exception as error:
            # The others, and what else the clock does, must not wait for this one.
            db.session.rollback()
            if isinstance(error, IntegrityError) and not _is_due(schedule_id, now):
                log.info("schedule %s: another clock was first", schedule_id)
                continue
            log.exception("schedule %s cannot be fired", schedule_id)
            _note_failure(schedule_id, error, now)


def _is_due(schedule_id: int, now: datetime) -> bool:
    schedule = db.session.get(Schedule, schedule_id, populate_existing=True)
    return schedule is not None and bool(_due_slots(schedule, now, here()))


def _fire_if_due(schedule_id: int, now: datetime) -> None:
    schedule = db.session.get(Schedule, schedule_id, populate_existing=True)
    slots = _due_slots(schedule, now, here()) if schedule is not None else []
    if schedule is None or not slots or not _is_done_at_once(schedule, slots[-1], now):
        return
    with transaction() as session:
        _fire(session, schedule_id, now)


def _is_done_at_once(schedule: Schedule, slot: datetime, now: datetime) -> bool:
    """Do what an action does `at_once`; tell whether its slot may be settled.

    Before the slot is: what breaks, or is not finished, leaves it due and goes on with the
    clock's next round. Two clocks that do it at once do no harm.
    """
    at_once = ACTIONS[schedule.action].at_once
    if at_once is None or _is_too_late(schedule, slot, now):
        return True
    by = actor_of(schedule)
    # What it does has transactions of its own, which others wait for.
    db.session.commit()
    return at_once(by)


def _note_failure(schedule_id: int, error: Exception, now: datetime) -> None:
    """Keep what broke and where, for the lookout; an error's own words may hold anything."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    failure = f"{type(error).__name__}, {place.name}, {Path(place.filename).name}:{place.lineno}"
    try:
        with transaction() as session:
            schedule = session.get(Schedule, schedule_id, with_for_update=True)
            if schedule is not None:
                schedule.note_failure(failure, now)
    except DBAPIError as away:
        log.warning("schedule %s: the registry does not answer: %s", schedule_id, away)


def _fire(session: Session, schedule_id: int, now: datetime) -> None:
    """Deal with all slots that are due: runs, records and the mark they end at, or nothing."""
    schedule = session.get(Schedule, schedule_id, with_for_update=True)
    if schedule is None or schedule.is_paused:
        return
    slots = _due_slots(schedule, now, here())
    for slot in slots[:-1]:
        _note(session, schedule, slot, now, _too_late())
    for slot in slots[-1:]:
        _note(session, schedule, slot, now, _settle(schedule, slot, now))
        schedule.settled_until = slot.isoformat(timespec="seconds")
        schedule.forget_failure()
    session.flush()


def _settle(schedule: Schedule, slot: datetime, now: datetime) -> _Result:
    """Do what was planned for a slot, unless it is too late for that."""
    if _is_too_late(schedule, slot, now):
        return _too_late()
    late = now - due_at(schedule, slot, here())
    done = OccurrenceState.FIRED if late <= ON_TIME else OccurrenceState.CAUGHT_UP
    return _do(schedule, done)


def _is_too_late(schedule: Schedule, slot: datetime, now: datetime) -> bool:
    return now - due_at(schedule, slot, here()) > timedelta(minutes=schedule.grace_minutes)


def _due_slots(schedule: Schedule, now: datetime, zone: ZoneInfo) -> list[datetime]:
    slots = schedule.recurrence.after(datetime.fromisoformat(schedule.settled_until))
    past = takewhile(lambda slot: slot <= local_time(now, zone), slots)
    return [slot for slot in past if due_at(schedule, slot, zone) <= now]


def _too_late() -> _Result:
    return _Result(OccurrenceState.MISSED, left=[_Left(Refusal.LATE)])


def _note(
    session: Session, schedule: Schedule, slot: datetime, now: datetime, result: _Result
) -> None:
    session.add(
        Occurrence(
            schedule_id=schedule.id,
            slot=slot.isoformat(timespec="seconds"),
            due_at=due_at(schedule, slot, here()),
            fired_at=now,
            state=result.state,
            run_ids=[run.id for run in result.runs],
            refusals=[asdict(left) for left in result.left],
        )
    )


def _do(schedule: Schedule, done: OccurrenceState) -> _Result:
    action = ACTIONS[schedule.action]
    if action.at_once is not None:
        return _Result(done)
    if settings.is_draining():
        return _Result(left=[_Left(Refusal.DRAINED)])
    servers = _servers_of(schedule)
    if not servers:
        # A fleet without servers has nothing to be done; one that was meant is missed.
        is_gone = schedule.server_id is not None
        return _Result(left=[_Left(Refusal.GONE)]) if is_gone else _Result(done)
    result = _Result()
    for server in servers:
        if _do_on(server, schedule, action, result):
            result.state = done
    return result


def _do_on(server: Server, schedule: Schedule, action: Action, result: _Result) -> bool:
    """Do an action on a server; what a rule forbids there is undone and left out."""
    if _is_busy(server, action.play):
        result.left.append(_Left(Refusal.BUSY, server.name))
        return False
    district, by = schedule.district_code or "", actor_of(schedule)
    try:
        with attempt():
            result.runs += action.on_server(server, district, by)
    except SiapPakaiError as error:
        result.left.append(_Left(Refusal.RULE, server.name, pack(error.what)))
        return False
    return True


def actor_of(schedule: Schedule) -> str:
    """Return in whose name a schedule asks for its runs."""
    return f"schedule:{schedule.name}"


def _servers_of(schedule: Schedule) -> Sequence[Server]:
    query = select(Server).where(Server.state != ServerState.FORGOTTEN).order_by(Server.id)
    if schedule.server_id is not None:
        query = query.where(Server.id == schedule.server_id)
    return db.session.scalars(query).all()


def _is_busy(server: Server, play: str) -> bool:
    """Tell whether a run of that play is unfinished there: another would only pile up behind."""
    query = (
        select(Target.id)
        .join(Target.run)
        .where(Target.server_id == server.id, Run.play == play, Run.state.not_in(TERMINAL))
    )
    return db.session.scalar(query.limit(1)) is not None


def findings(now: datetime) -> Iterator[Finding]:
    """Find schedules that do not do what they should."""
    yield from _undone()
    yield from _failing(now)


def _undone() -> Iterator[Finding]:
    """Find schedules whose newest time was not done, or not everywhere."""
    newest = select(func.max(Occurrence.id)).group_by(Occurrence.schedule_id)
    query = (
        select(Occurrence)
        .join(Occurrence.schedule)
        .where(Occurrence.id.in_(newest), Schedule.is_paused.is_(False))
        .options(contains_eager(Occurrence.schedule))
        .order_by(Occurrence.id)
    )
    for one in db.session.scalars(query):
        if one.refusals:
            yield Finding(
                AlertKind.SCHEDULE_UNDONE,
                f"schedule:{one.schedule_id}",
                one.schedule.name,
                Severity.WARNING,
                f"slot {one.slot}",
                {
                    "schedule": one.schedule_id,
                    "cause": one.refusals[0]["cause"],
                    "since": one.due_at.isoformat(),
                },
            )


def _failing(now: datetime) -> Iterator[Finding]:
    """Find schedules that the clock tries to fire in vain."""
    query = (
        select(Schedule)
        .where(Schedule.is_paused.is_(False), Schedule.failing_since <= now - _PATIENCE)
        .order_by(Schedule.id)
    )
    for schedule in db.session.scalars(query):
        since = schedule.failing_since.isoformat() if schedule.failing_since else ""
        yield Finding(
            AlertKind.SCHEDULE_FAILING,
            f"schedule:{schedule.id}",
            schedule.name,
            Severity.WARNING,
            since,
            {"schedule": schedule.id, "since": since, "failure": schedule.failure},
        )
