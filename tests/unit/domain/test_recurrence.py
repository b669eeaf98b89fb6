"""When something comes round, on the clocks of a regency and on the world's."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siappakai.domain.recurrence import (
    Every,
    Recurrence,
    Weekday,
    local_time,
    moment_of,
    spread,
)
from siappakai.errors import InvalidInputError

JAKARTA, MAKASSAR = ZoneInfo("Asia/Jakarta"), ZoneInfo("Asia/Makassar")
BERLIN = ZoneInfo("Europe/Berlin")
MOMENT = datetime(2026, 11, 28, 2, 30)  # noqa: DTZ001 - slots have no zone; a Saturday


def slots(recurrence: Recurrence, count: int = 4, after: datetime = MOMENT) -> list[str]:
    found = islice(recurrence.checked().after(after), count)
    return [slot.isoformat(timespec="minutes") for slot in found]


def test_every_day_comes_after_the_moment_never_at_it():
    daily = Recurrence(Every.DAY, "02:30")
    assert slots(daily, 2) == ["2026-11-29T02:30", "2026-11-30T02:30"]
    assert slots(daily, 1, MOMENT - timedelta(seconds=1)) == ["2026-11-28T02:30"]


def test_days_of_the_week():
    workdays = Recurrence(Every.WEEK, "06.00", weekdays=["fr", "mo"])
    assert slots(workdays, 3) == ["2026-11-30T06:00", "2026-12-04T06:00", "2026-12-07T06:00"]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (1, ["2026-12-01", "2027-01-01", "2027-02-01", "2027-03-01"]),
        (28, ["2026-12-28", "2027-01-28", "2027-02-28", "2027-03-28"]),
        (30, ["2026-11-30", "2026-12-30", "2027-01-30", "2027-02-28"]),
        (31, ["2026-11-30", "2026-12-31", "2027-01-31", "2027-02-28"]),
    ],
)
def test_a_day_that_a_month_does_not_have_is_its_last(day: int, expected: list[str]):
    assert slots(Recurrence(Every.MONTH, "01:00", month_day=day)) == [
        f"{one}T01:00" for one in expected
    ]


def test_the_leap_day():
    monthly = Recurrence(Every.MONTH, "00:00", month_day=31)
    assert slots(monthly, 1, datetime(2028, 2, 1)) == ["2028-02-29T00:00"]  # noqa: DTZ001


@given(
    every=st.sampled_from(Every),
    days=st.sets(st.sampled_from(Weekday), min_size=1),
    month_day=st.integers(1, 31),
    begin=st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
)
def test_it_always_comes_again_within_its_time(every, days, month_day, begin):
    rule = Recurrence(every, "12:34", sorted(days), month_day).checked()
    first, second = islice(rule.after(begin), 2)
    longest = {Every.DAY: 1, Every.WEEK: 7, Every.MONTH: 31}[every]
    assert begin < first < second
    assert first - begin <= timedelta(days=longest)
    assert second - first <= timedelta(days=longest)


@pytest.mark.parametrize(
    ("recurrence", "field"),
    [
        (Recurrence(Every.DAY, "24:00"), "at"),
        (Recurrence(Every.WEEK, "02:00"), "weekdays"),
        (Recurrence(Every.WEEK, "02:00", weekdays=["xx"]), "weekdays"),
        (Recurrence(Every.MONTH, "02:00"), "month_day"),
        (Recurrence(Every.MONTH, "02:00", month_day=32), "month_day"),
        (Recurrence(Every.MONTH, "02:00", month_day=0), "month_day"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(recurrence: Recurrence, field: str):
    with pytest.raises(InvalidInputError) as refused:
        recurrence.checked()
    assert refused.value.field == field


def test_what_it_does_not_count_in_is_dropped():
    kept = Recurrence(Every.DAY, "05:00", ["mo"], 7).checked()
    assert (kept.weekdays, kept.month_day) == ((), None)


def test_a_slot_is_the_same_slot_in_another_zone():
    slot = datetime(2026, 11, 29, 2, 30)  # noqa: DTZ001
    assert moment_of(slot, JAKARTA) - moment_of(slot, MAKASSAR) == timedelta(hours=1)
    assert local_time(moment_of(slot, JAKARTA), JAKARTA) == slot


def test_a_time_the_clocks_skip_comes_once_and_one_that_comes_twice_is_the_first():
    skipped = moment_of(datetime(2026, 3, 29, 2, 30), BERLIN)  # noqa: DTZ001
    assert skipped == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    twice = moment_of(datetime(2026, 10, 25, 2, 30), BERLIN)  # noqa: DTZ001
    assert twice == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_spread_is_steady_and_differs_between_schedules():
    put_off = {spread(MOMENT, 30, str(number)) for number in range(20)}
    assert len(put_off) > 10
    assert all(timedelta() <= one < timedelta(minutes=30) for one in put_off)
    assert spread(MOMENT, 30, "1") == spread(MOMENT, 30, "1")
    assert spread(MOMENT, 0, "1") == timedelta()
