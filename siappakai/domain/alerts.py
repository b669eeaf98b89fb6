"""Alerts: what can be wrong, how bad it is, when a channel may speak and when it tries again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from siappakai.errors import InvalidInputError
from siappakai.wording import say


class Severity(StrEnum):
    """How soon somebody must look: this month, today, now."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class AlertKind(StrEnum):
    """What can be wrong. Each has its sentences in `alert_texts`."""

    RUN_FAILED = "run_failed"
    RUN_LOST = "run_lost"
    SERVER_SILENT = "server_silent"
    DISK_FILLING = "disk_filling"
    CERTIFICATE_EXPIRING = "certificate_expiring"
    CERTIFICATE_MISSING = "certificate_missing"
    CLOCK_STOPPED = "clock_stopped"
    QUEUE_DOWN = "queue_down"
    QUEUE_STUCK = "queue_stuck"
    LOOKOUT_STOPPED = "lookout_stopped"
    SCHEDULE_UNDONE = "schedule_undone"
    SCHEDULE_FAILING = "schedule_failing"
    STORE_FAILING = "store_failing"
    BACKUP_STALE = "backup_stale"
    REGISTRY_UNSAVED = "registry_unsaved"
    BACKUP_NOWHERE = "backup_nowhere"
    COPIES_BROKEN = "copies_broken"
    RESTORE_SLOW = "restore_slow"


class AlertState(StrEnum):
    """Where an alert stands with people: nobody has seen it; somebody has; its cause is gone."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ENDED = "ended"


class AlertEvent(StrEnum):
    """What a channel is told of an alert, or that it is only tried out."""

    RAISED = "raised"
    ENDED = "ended"
    TEST = "test"


class DeliveryState(StrEnum):
    """How far a message has come. One that failed is tried again until it is given up.

    `sending` that never ends was cut off: the channel hung, or the sender was killed.
    `dropped`: not needed any more, because the alert ended or the channel was closed first.
    """

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"


# Deliveries that still want to be sent.
PENDING: Final = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.FAILED)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something seen to be wrong now.

    `subject` is a stable key (`server:3`), `label` what people call it. `sighting` names the
    observation: the same one looked at twice is one occurrence, another one is the next.
    `params` fill the sentences; numbers and names, never a secret nor anything of a resident.
    """

    kind: AlertKind
    subject: str
    label: str
    severity: Severity
    sighting: str
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return open_key(self.kind, self.subject)


def open_key(kind: AlertKind, subject: str) -> str:
    """Return what only one alert that has not ended can have."""
    return f"{kind.value} {subject}"


# Days a certificate still lasts, and how bad that is.
CERTIFICATE_DAYS: Final = ((3, Severity.CRITICAL), (14, Severity.WARNING), (30, Severity.INFO))


def certificate_severity(left: timedelta) -> tuple[int, Severity] | None:
    """Return the limit (days) a certificate has come below, and its severity; None above all."""
    for days, severity in CERTIFICATE_DAYS:
        if left <= timedelta(days=days):
            return days, severity
    return None


def disk_severity(free: int, size: int, warn_percent: int) -> Severity | None:
    """Judge the room left on a disk (bytes): critical below a third of `warn_percent`."""
    if size <= 0 or free * 100 >= size * warn_percent:
        return None
    return Severity.CRITICAL if free * 300 < size * warn_percent else Severity.WARNING


# Seconds after each failed try: soon at first, then hourly. A day later a message is given up.
_PAUSES: Final = (60, 120, 300, 900, *[3600] * 23)
MAX_ATTEMPTS: Final = len(_PAUSES) + 1


def next_try(attempts: int, now: datetime) -> datetime | None:
    """Return when a message that failed `attempts` times is tried again; None: never."""
    if attempts >= MAX_ATTEMPTS:
        return None
    return now + timedelta(seconds=_PAUSES[attempts - 1])


_CLOCK_TIME = re.compile(r"([01]\d|2[0-3])[:.]([0-5]\d)")


def parse_clock_time(text: str, field: str) -> time:
    """Return the time of day in `text` (22:00); raises InvalidInputError naming `field`."""
    found = _CLOCK_TIME.fullmatch(text.strip())
    if found is None:
        raise InvalidInputError(
            say("Jam “%(text)s” tidak sah.", text=text),
            say("Isi jam dan menit, misalnya 22:00."),
            field=field,
        )
    return time(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of day to another in `zone`, over midnight when it begins later than it ends.

    Begin and end alike mean none.
    """

    begin: time
    end: time
    zone: ZoneInfo

    def until(self, now: datetime) -> datetime | None:
        """Return when the quiet that holds at `now` is over; None when there is none."""
        here = now.astimezone(self.zone)
        clock = here.time()
        if self.begin <= self.end:
            is_quiet = self.begin <= clock < self.end
        else:
            is_quiet = clock >= self.begin or clock < self.end
        if not is_quiet:
            return None
        day = here.date() if clock < self.end else here.date() + timedelta(days=1)
        return datetime.combine(day, self.end, self.zone).astimezone(UTC)


def speaks_at(
    now: datetime, severity: Severity, quiet: QuietHours | None, *, critical_passes: bool
) -> datetime:
    """Return when a channel may speak of something this severe: now, or after its quiet hours."""
    if quiet is None or (critical_passes and severity is Severity.CRITICAL):
        return now
    return quiet.until(now) or now
