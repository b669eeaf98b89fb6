"""`siappakai schedule`."""

from datetime import UTC, datetime, timedelta

import pytest

from siappakai.models import Schedule
from siappakai.models.transactions import transaction
from siappakai.services import firing, schedules, settings
from tests.factories import BY, make_district, make_server

NIGHT = ("schedule", "create", "Malam", "--action", "health", "--every", "day", "--at", "02:00")
DUE = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)


@pytest.fixture
def night(siappakai) -> Schedule:
    assert siappakai(*NIGHT).exit_code == 0
    made = schedules.find_schedule("Malam")
    with transaction() as session:
        session.get_one(Schedule, made.id).settled_until = "2026-11-23T00:00:00"
    return made


def test_one_from_its_beginning_to_its_end(siappakai):
    make_server("Kominfo")
    make_district("510201")
    made = siappakai(
        *("schedule", "create", "Akhir bulan", "--action", "health", "--every", "month"),
        *("--day", "31", "--at", "23:15", "--server", "Kominfo", "--district", "51.02.01"),
        *("--spread", "20", "--grace", "120", "--paused", "--json"),
    ).json
    assert (made["every"], made["month_day"], made["at"]) == ("month", 31, "23:15")
    assert (made["server"], made["district"]) == ("Kominfo", "51.02.01")
    assert (made["is_paused"], made["next_at"]) == (True, None)
    assert siappakai("schedule", "resume", "Akhir bulan", "--json").json["next_at"]
    words = ("schedule", "edit", "Akhir bulan", "--every", "week", "--on", "th, mo", "--json")
    edited = siappakai(*words, "--server", "", "--name", "Mingguan").json
    assert (edited["weekdays"], edited["month_day"], edited["server"]) == (["mo", "th"], None, "")
    assert (edited["at"], edited["spread_minutes"], edited["name"]) == ("23:15", 20, "Mingguan")
    assert siappakai("schedule", "pause", "Mingguan", "--json").json["is_paused"]
    assert siappakai("schedule", "delete", "Mingguan").exit_code == 5
    assert siappakai("schedule", "delete", "Mingguan", "--yes").exit_code == 0
    assert siappakai("schedule", "list", "--json").json["items"] == []


def test_what_is_rehearsed_changes_nothing(siappakai, night: Schedule):
    assert siappakai(*NIGHT[:2], "Lain", *NIGHT[3:], "--dry-run").exit_code == 0
    for words in (("pause",), ("edit", "--at", "03:00"), ("delete",)):
        rehearsed = siappakai("schedule", words[0], "Malam", *words[1:], "--dry-run")
        assert rehearsed.exit_code == 0
    (left,) = siappakai("schedule", "list", "--json").json["items"]
    assert (left["name"], left["at"], left["is_paused"]) == ("Malam", "02:00", False)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--every", "week"), "weekdays"),
        (("--every", "week", "--on", "xx"), "weekdays"),
        (("--every", "month", "--day", "0"), "month_day"),
        (("--at", "kapan saja"), "at"),
        (("--spread", "9999"), "spread_minutes"),
        (("--district", "51.02.99"), "district"),
    ],
)
def test_a_bad_word_names_its_field(siappakai, words: tuple[str, ...], field: str):
    refused = siappakai(*NIGHT, *words, "--json")
    assert (refused.exit_code, refused.error["field"]) == (2, field)
    assert schedules.list_schedules() == []


def test_no_time_is_no_schedule(siappakai):
    assert siappakai(*NIGHT[:-2], "--json").error["field"] == "at"
    assert siappakai(*NIGHT, "--server", "Nobody").exit_code == 3
    assert siappakai("schedule", "show", "Nobody").exit_code == 3


def test_what_comes_next(siappakai, night: Schedule):
    siappakai(*NIGHT[:2], "Fajar", *NIGHT[3:-1], "04:30")
    assert len(siappakai("schedule", "next", "Malam", "--count", "7", "--json").json["items"]) == 7
    names = [one["name"] for one in siappakai("schedule", "next", "--json").json["items"]]
    assert sorted(names) == ["Fajar", "Malam"]
    assert siappakai("schedule", "next", "--count", "0").exit_code == 2


def test_what_became_of_it_is_shown(siappakai, night: Schedule):
    firing.fire_due(DUE)
    settings.set_drain(drain=True, by=BY)
    firing.fire_due(DUE + timedelta(days=1))
    shown = siappakai("schedule", "show", "Malam", "--json").json
    assert [one["state"] for one in shown["occurrences"]] == ["refused", "fired"]
    assert shown["occurrences"][0]["reasons"] == ["armada sedang ditahan"]
    assert len(shown["upcoming"]) == 5
    assert "armada sedang ditahan" in siappakai("schedule", "show", "Malam").out
