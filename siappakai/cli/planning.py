"""What `siappakai schedule` prints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from siappakai.cli.output import Column
from siappakai.domain.alert_texts import CAUSES
from siappakai.domain.codes import dotted
from siappakai.domain.recurrence import Weekday
from siappakai.models import Occurrence, Schedule
from siappakai.services import schedules
from siappakai.wording import unpack


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """A standing order. Server and district empty: the whole fleet. Its clock is the regency's."""

    id: Annotated[int, Column("Nomor", "its number", is_listed=False)]
    name: Annotated[str, Column("Jadwal", "its name")]
    action: Annotated[str, Column("Tindakan", "health, install, prepare or prune")]
    server: Annotated[str, Column("Server", "only on this one")]
    district: Annotated[str, Column("Kecamatan", "code of the only district, dotted")]
    every: Annotated[str, Column("Setiap", "day, week or month")]
    weekdays: Annotated[list[str], Column("Hari", "mo tu we th fr sa su, of each week")]
    month_day: Annotated[
        int | None, Column("Tanggal", "day of each month; its last when it has no such day")
    ]
    at: Annotated[str, Column("Pukul", "HH:MM in the regency's zone")]
    spread_minutes: Annotated[
        int, Column("Sebar", "put off by less than so many minutes", is_listed=False)
    ]
    grace_minutes: Annotated[
        int, Column("Batas terlambat", "minutes after which it is missed", is_listed=False)
    ]
    is_paused: Annotated[bool, Column("Dijeda", "whether nothing is asked for now")]
    next_at: Annotated[
        datetime | None, Column("Berikutnya", "when it is due next; null while paused")
    ]


@dataclass(frozen=True, slots=True)
class OccurrenceRecord:
    """One time of a schedule, and what became of it."""

    due_at: Annotated[datetime, Column("Jatuh tempo", "when it was due")]
    fired_at: Annotated[datetime, Column("Ditangani", "when the clock dealt with it")]
    state: Annotated[str, Column("Hasil", "fired, caught_up, missed or refused")]
    runs: Annotated[list[int], Column("Pekerjaan", "numbers of the runs asked for")]
    reasons: Annotated[list[str], Column("Sebab", "what was left out, and why")]


@dataclass(frozen=True, slots=True)
class ScheduleDetail:
    """A schedule with its next times and its newest record."""

    schedule: Annotated[ScheduleRecord, Column("Jadwal", "the schedule")]
    upcoming: Annotated[list[datetime], Column("Waktu berikutnya", "the next five, paused or not")]
    occurrences: Annotated[list[OccurrenceRecord], Column("Riwayat", "newest first")]


@dataclass(frozen=True, slots=True)
class PlannedRecord:
    """A time to come of a schedule."""

    name: Annotated[str, Column("Jadwal", "name of the schedule")]
    due_at: Annotated[datetime, Column("Jatuh tempo", "when it will be due")]


@dataclass(frozen=True, slots=True)
class DeletedSchedule:
    """The schedule that was deleted."""

    name: Annotated[str, Column("Jadwal", "its name until now")]


def record_of(found: Schedule) -> ScheduleRecord:
    """Return a schedule as it is printed."""
    rule = found.recurrence
    return ScheduleRecord(
        id=found.id,
        name=found.name,
        action=found.action,
        server=found.server.name if found.server else "",
        district=dotted(found.district_code) if found.district_code else "",
        every=rule.every.value,
        weekdays=[Weekday(day).value for day in rule.weekdays],
        month_day=rule.month_day,
        at=rule.at,
        spread_minutes=found.spread_minutes,
        grace_minutes=found.grace_minutes,
        is_paused=found.is_paused,
        next_at=None if found.is_paused else schedules.upcoming(found, 1)[0],
    )


def past_record(one: Occurrence) -> OccurrenceRecord:
    """Return what became of one time as it is printed."""
    return OccurrenceRecord(
        due_at=one.due_at,
        fired_at=one.fired_at,
        state=one.state.value,
        runs=one.run_ids,
        reasons=[_reason(refusal) for refusal in one.refusals],
    )


def _reason(refusal: dict[str, Any]) -> str:
    words = [refusal["server"], CAUSES[refusal["cause"]], unpack(refusal["message"])]
    return ": ".join(word for word in words if word)
