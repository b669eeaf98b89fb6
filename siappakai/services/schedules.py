"""Schedules as people keep them: create, look, change, pause, delete. The clock is in `firing`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nsmallest
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from siappakai.domain.recurrence import local_time, moment_of, spread
from siappakai.domain.servers import check_name
from siappakai.errors import ConflictError, NotFoundError
from siappakai.models import Occurrence, Schedule, db, registry_now
from siappakai.models.transactions import transaction
from siappakai.services import audit, settings
from siappakai.services.paging import Page, paginate
from siappakai.services.schedule_orders import Order
from siappakai.wording import say

UPCOMING: Final = 5


@dataclass(frozen=True, slots=True)
class Planned:
    """The next time of a schedule."""

    schedule: Schedule
    due_at: datetime


def list_schedules() -> list[Schedule]:
    """Return all schedules by name."""
    query = select(Schedule).order_by(Schedule.name)
    both = joinedload(Schedule.server), joinedload(Schedule.district)
    return list(db.session.scalars(query.options(*both)))


def get_schedule(schedule_id: int) -> Schedule:
    """Return a schedule; raises NotFoundError."""
    schedule = db.session.get(Schedule, schedule_id)
    if schedule is None:
        raise NotFoundError(
            say("Jadwal nomor %(number)s tidak ada.", number=schedule_id),
            say("Pilih dari daftar jadwal."),
        )
    return schedule


def find_schedule(name: str) -> Schedule | None:
    """Return the schedule called `name`, or None."""
    return db.session.scalar(select(Schedule).where(Schedule.name == name))


def create_schedule(*, name: str, order: Order, is_paused: bool = False, by: str) -> Schedule:
    """Add a schedule; its first time is the next one from now on.

    Raises InvalidInputError naming the field, ConflictError for a name in use.
    """
    name = check_name(name)
    with transaction() as session:
        _refuse_taken(name)
        columns = order.checked()
        schedule = Schedule(name=name, is_paused=is_paused, **columns)
        schedule.settled_until = now_here(registry_now(session))
        session.add(schedule)
        session.flush()
        audit.record("schedule.create", name, by=by, detail={**columns, "is_paused": is_paused})
    return schedule


def update_schedule(
    schedule_id: int, *, name: str | None = None, order: Order | None = None, by: str
) -> Schedule:
    """Change what is given. When its times change, what was due before is not made up for.

    Raises as create_schedule does.
    """
    with transaction() as session:
        schedule = get_schedule(schedule_id)
        before = schedule.recurrence
        wanted = order.checked() if order is not None else {}
        if name is not None:
            wanted["name"] = check_name(name)
        changes = {key: value for key, value in wanted.items() if value != getattr(schedule, key)}
        if "name" in changes:
            _refuse_taken(changes["name"])
        if changes:
            audit.record("schedule.update", schedule.name, by=by, detail=changes)
            schedule.forget_failure()
        for key, value in changes.items():
            setattr(schedule, key, value)
        if schedule.recurrence != before:
            schedule.settled_until = now_here(registry_now(session))
        return schedule


def set_paused(
    schedule_id: int, *, is_paused: bool, by: str, now: datetime | None = None
) -> Schedule:
    """Pause a schedule or let it go on.

    What fell into the pause is not asked for any more, but for a time still within its grace.
    """
    with transaction() as session:
        schedule = get_schedule(schedule_id)
        session.refresh(schedule, with_for_update=True)
        if schedule.is_paused == is_paused:
            return schedule
        if not is_paused:
            grace = timedelta(minutes=schedule.grace_minutes)
            since = now_here((now or registry_now(session)) - grace)
            schedule.settled_until = max(schedule.settled_until, since)
        schedule.is_paused = is_paused
        schedule.forget_failure()
        audit.record("schedule.pause" if is_paused else "schedule.resume", schedule.name, by=by)
        return schedule


def delete_schedule(schedule_id: int, *, by: str) -> None:
    """Remove a schedule with the record of its times; its runs stay, and what is running."""
    with transaction() as session:
        schedule = get_schedule(schedule_id)
        audit.record("schedule.delete", schedule.name, by=by, detail={"action": schedule.action})
        session.delete(schedule)


def upcoming(schedule: Schedule, count: int = UPCOMING) -> list[datetime]:
    """Return the next times of a schedule (UTC), as they are unless it is paused."""
    return _coming(schedule, count, here(), registry_now(db.session()))


def next_planned(limit: int = UPCOMING) -> list[Planned]:
    """Return what comes next of all schedules that are not paused, soonest first."""
    zone, now = here(), registry_now(db.session())
    coming = (
        Planned(schedule, _coming(schedule, 1, zone, now)[0])
        for schedule in list_schedules()
        if not schedule.is_paused
    )
    return nsmallest(limit, coming, key=lambda one: one.due_at)


def latest_of_each() -> dict[int, Occurrence]:
    """Return the newest slot of each schedule that has had one, by the schedule's number."""
    newest = select(func.max(Occurrence.id)).group_by(Occurrence.schedule_id)
    found = db.session.scalars(select(Occurrence).where(Occurrence.id.in_(newest)))
    return {one.schedule_id: one for one in found}


def _coming(schedule: Schedule, count: int, zone: ZoneInfo, now: datetime) -> list[datetime]:
    begin = max(datetime.fromisoformat(schedule.settled_until), local_time(now, zone))
    slots = islice(schedule.recurrence.after(begin), count)
    return [due_at(schedule, slot, zone) for slot in slots]


def occurrences_of(
    schedule: Schedule | None = None, *, page: int = 1, per_page: int = 20
) -> Page[Occurrence]:
    """Return what became of the times of a schedule, or of all, newest first."""
    query = select(Occurrence).options(joinedload(Occurrence.schedule))
    if schedule is not None:
        query = query.where(Occurrence.schedule_id == schedule.id)
    query = query.order_by(Occurrence.id.desc())
    return paginate(query, lambda row: row[0], page=page, per_page=per_page)


def due_at(schedule: Schedule, slot: datetime, zone: ZoneInfo) -> datetime:
    """Return when a slot of a schedule is due (UTC), its spread included."""
    put_off = spread(slot, schedule.spread_minutes, str(schedule.id))
    return moment_of(slot, zone) + put_off


def here() -> ZoneInfo:
    """Return the regency's zone."""
    return ZoneInfo(settings.get(settings.TIMEZONE))


def now_here(moment: datetime) -> str:
    """Return a moment as schedules note it: local, ISO, whole seconds."""
    return local_time(moment, here()).isoformat(timespec="seconds")


def _refuse_taken(name: str) -> None:
    if find_schedule(name) is not None:
        raise ConflictError(
            say("Nama jadwal “%(name)s” sudah dipakai.", name=name), say("Pilih nama lain.")
        )
