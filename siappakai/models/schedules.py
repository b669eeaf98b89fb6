"""Schedules, and what became of each of their times."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from siappakai.domain.recurrence import Every, Recurrence
from siappakai.domain.schedules import OccurrenceState
from siappakai.models.base import Base, state_column, utc_now
from siappakai.models.fleet import Server
from siappakai.models.places import District

_FAILURE_LENGTH: Final = 255


class Schedule(Base):
    """A standing order: an action for the whole fleet, a server or a district, again and again.

    `settled_until` is the local time (ISO) up to which its slots have been dealt with. A slot
    is put off by less than `spread_minutes`; later than `grace_minutes` it is not caught up.
    While the clock cannot fire it, `failing_since` and `failure` say since when and what broke.
    """

    __tablename__ = "schedules"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    action: Mapped[str] = mapped_column(String(20))
    server_id: Mapped[int | None] = mapped_column(
        ForeignKey("servers.id", ondelete="CASCADE"), index=True
    )
    district_code: Mapped[str | None] = mapped_column(
        ForeignKey("districts.code", ondelete="CASCADE"), index=True
    )
    every: Mapped[Every] = mapped_column(state_column(Every))
    weekdays: Mapped[list[str]] = mapped_column(default=list)
    month_day: Mapped[int | None]
    at: Mapped[str] = mapped_column(String(5))
    spread_minutes: Mapped[int] = mapped_column(default=0)
    grace_minutes: Mapped[int] = mapped_column(default=60)
    is_paused: Mapped[bool] = mapped_column(default=False)
    settled_until: Mapped[str] = mapped_column(String(19))
    failing_since: Mapped[datetime | None]
    failure: Mapped[str] = mapped_column(String(_FAILURE_LENGTH), default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    server: Mapped[Server | None] = relationship()
    district: Mapped[District | None] = relationship()

    @property
    def recurrence(self) -> Recurrence:
        return Recurrence(self.every, self.at, tuple(self.weekdays), self.month_day)

    def note_failure(self, failure: str, now: datetime) -> None:
        """Note what broke when it was to be fired; the first time is kept until it works."""
        self.failing_since = self.failing_since or now
        self.failure = failure[:_FAILURE_LENGTH]

    def forget_failure(self) -> None:
        """Note that it works, or was changed so that it may."""
        self.failing_since, self.failure = None, ""


class Occurrence(Base):
    """One slot of a schedule (local, ISO), and what became of it; there is one row for each.

    `refusals` names what was left out: `cause`, `server` and the words of the rule, packed.
    """

    __tablename__ = "schedule_occurrences"
    __table_args__ = (UniqueConstraint("schedule_id", "slot"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    schedule_id: Mapped[int] = mapped_column(
        ForeignKey("schedules.id", ondelete="CASCADE"), index=True
    )
    slot: Mapped[str] = mapped_column(String(19))
    due_at: Mapped[datetime]
    fired_at: Mapped[datetime]
    state: Mapped[OccurrenceState] = mapped_column(state_column(OccurrenceState))
    run_ids: Mapped[list[int]] = mapped_column(JSON, default=list)
    refusals: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)

    schedule: Mapped[Schedule] = relationship()
