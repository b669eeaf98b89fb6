"""When a channel may speak, when it tries again, how bad things are, and what people are told."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from siappakai.domain.alert_texts import STORIES, Speech, compose, fill
from siappakai.domain.alerts import (
    MAX_ATTEMPTS,
    AlertEvent,
    AlertKind,
    QuietHours,
    Severity,
    certificate_severity,
    disk_severity,
    next_try,
    parse_clock_time,
    speaks_at,
)
from siappakai.errors import InvalidInputError

MAKASSAR = ZoneInfo("Asia/Makassar")
NIGHT = QuietHours(time(22), time(6), MAKASSAR)
NOON = QuietHours(time(12), time(13, 30), MAKASSAR)
PARAMS = {
    "play": "install",
    "failed": 3,
    "run": 41,
    "open": 2,
    "cause": "unreachable",
    "sites": 80,
    "percent": 4,
    "hours": 26,
    "free": "1.9",
    "until": "2026-12-01T00:00:00+00:00",
    "last": "",
    "since": "2026-11-22T01:00:00+00:00",
    "path": "/etc/ssl/a.pem",
    "server": "server1",
    "waiting": 2,
    "workers": 0,
    "copies": 3,
    "lost": 1,
    "target": 60,
    "longest": 95,
    "failure": "KeyError, _do, firing.py:1",
    "label": "server1",
}


def here(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=MAKASSAR)


@pytest.mark.parametrize(
    ("quiet", "now", "until"),
    [
        (NIGHT, "2026-11-22T21:59:59", None),
        (NIGHT, "2026-11-22T22:00:00", "2026-11-23T06:00:00"),
        (NIGHT, "2026-11-22T23:59:59", "2026-11-23T06:00:00"),
        (NIGHT, "2026-11-23T00:00:00", "2026-11-23T06:00:00"),
        (NIGHT, "2026-11-23T05:59:59", "2026-11-23T06:00:00"),
        (NIGHT, "2026-11-23T06:00:00", None),
        (NIGHT, "2026-12-31T23:30:00", "2027-01-01T06:00:00"),
        (NOON, "2026-11-22T11:59:00", None),
        (NOON, "2026-11-22T12:00:00", "2026-11-22T13:30:00"),
        (NOON, "2026-11-22T13:30:00", None),
        (QuietHours(time(7), time(7), MAKASSAR), "2026-11-22T07:00:00", None),
    ],
)
def test_quiet_hours_are_of_the_regency_and_go_over_midnight(quiet, now, until):
    assert quiet.until(here(now)) == (here(until) if until else None)


def test_quiet_hours_are_told_in_any_zone():
    # 15.30 UTC is 23.30 in Makassar.
    moment = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
    assert NIGHT.until(moment) == datetime(2026, 11, 22, 22, 0, tzinfo=UTC)


def test_only_what_is_critical_goes_through_and_only_where_it_may():
    night = here("2026-11-22T23:00:00")
    morning = here("2026-11-23T06:00:00")
    assert speaks_at(night, Severity.CRITICAL, NIGHT, critical_passes=True) == night
    assert speaks_at(night, Severity.CRITICAL, NIGHT, critical_passes=False) == morning
    assert speaks_at(night, Severity.WARNING, NIGHT, critical_passes=True) == morning
    assert speaks_at(night, Severity.WARNING, None, critical_passes=False) == night


@pytest.mark.parametrize("text", ["24:00", "7:00", "22", "22:60", "", "jam 7"])
def test_a_time_that_is_none_names_its_field(text: str):
    with pytest.raises(InvalidInputError) as refused:
        parse_clock_time(text, "quiet_from")
    assert refused.value.field == "quiet_from"


def test_times_are_written_with_a_dot_here():
    assert parse_clock_time("22.30", "quiet_from") == time(22, 30)


def test_tries_grow_further_apart_until_they_end_after_a_day():
    now = here("2026-11-22T08:00:00")
    pauses = [next_try(attempts, now) for attempts in range(1, MAX_ATTEMPTS)]
    waits = [(at - now).total_seconds() for at in pauses if at is not None]
    assert waits == sorted(waits)
    assert waits[0] == 60
    assert 20 * 3600 < sum(waits) < 28 * 3600
    assert next_try(MAX_ATTEMPTS, now) is None


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (31, None),
        (30, (30, Severity.INFO)),
        (14, (14, Severity.WARNING)),
        (3, (3, Severity.CRITICAL)),
        (-1, (3, Severity.CRITICAL)),
    ],
)
def test_a_certificate_gets_worse_with_its_days(days: int, expected):
    assert certificate_severity(timedelta(days=days)) == expected


@pytest.mark.parametrize(
    ("free", "expected"),
    [(15, None), (14, Severity.WARNING), (5, Severity.WARNING), (4, Severity.CRITICAL)],
)
def test_a_disk_gets_worse_with_its_room(free: int, expected):
    assert disk_severity(free, 100, 15) == expected
    assert disk_severity(0, 0, 15) is None


@pytest.mark.parametrize("kind", AlertKind)
def test_every_kind_says_what_happened_what_it_means_and_what_to_do(kind: AlertKind):
    speech = Speech(fill, lambda moment: f"{moment:%d %H.%M}", lambda name: f"<{name}>")
    story = STORIES[kind].told(PARAMS, speech)
    message = compose(AlertEvent.RAISED, Severity.CRITICAL, story, 7)
    assert message.title == f"[GENTING] {story.title}"
    assert story.meaning in message.body
    assert story.todo in message.body
    assert "nomor 7" in message.body
    assert "%(" not in message.title + message.body
    over = compose(AlertEvent.ENDED, Severity.CRITICAL, story, 7)
    assert over.title == f"[SELESAI] {story.title}"
