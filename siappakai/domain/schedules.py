"""Schedules: what becomes of what they plan, why it may not be done, and their limits."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

from siappakai.errors import InvalidInputError
from siappakai.wording import say


class OccurrenceState(StrEnum):
    """What became of something planned.

    `caught_up` was done late, once for all that had been left; `missed` came too late for that;
    `refused` was not done on any server.
    """

    FIRED = "fired"
    CAUGHT_UP = "caught_up"
    MISSED = "missed"
    REFUSED = "refused"


# What was not done though its time had come.
UNDONE: Final = frozenset({OccurrenceState.MISSED, OccurrenceState.REFUSED})


class Refusal(StrEnum):
    """Why something planned is not done. Each has its words in `alert_texts`."""

    DRAINED = "drained"
    BUSY = "busy"
    GONE = "gone"
    RULE = "rule"
    LATE = "late"


# What is done within this time was not late: the clock goes round every 15 seconds.
ON_TIME: Final = timedelta(minutes=2)
GRACE_MINUTES: Final = range(5, 7 * 24 * 60 + 1)
SPREAD_MINUTES: Final = range(12 * 60 + 1)


def check_minutes(value: int, allowed: range, field: str) -> int:
    """Return a number of minutes; raises InvalidInputError naming `field`."""
    if value not in allowed:
        raise InvalidInputError(
            say("%(value)s menit di luar batas.", value=value),
            say("Isi %(least)s sampai %(most)s menit.", least=allowed.start, most=allowed.stop - 1),
            field=field,
        )
    return value
