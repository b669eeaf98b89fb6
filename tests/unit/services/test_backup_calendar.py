"""The calendar of backups: what each day of the last weeks has, on the regency's clocks."""

from datetime import UTC, date, datetime, timedelta

import pytest

from siappakai.domain.backups import ProofState
from siappakai.domain.states import SiteState
from siappakai.models import Site
from siappakai.models.transactions import transaction
from siappakai.services import backup_calendar, fleet_calendar, villages
from siappakai.services.backup_calendar import Calendar, Day, Standing
from tests.databases import every_database
from tests.factories import BY, make_release, make_site
from tests.unit.services.test_backups import make_backup, make_store

pytestmark = [every_database, pytest.mark.usefixtures("registry")]

# A Wednesday, 03:00 in Jakarta.
NOW = datetime(2026, 11, 24, 20, tzinfo=UTC)
TODAY = date(2026, 11, 25)


def served(**fields: object) -> Site:
    since = NOW - timedelta(days=3)
    fields = {"installed_at": since, **fields}
    return make_site(release=make_release(), state=SiteState.ACTIVE, **fields)


def taken(site: Site, at: datetime, *, proven: bool = False) -> None:
    backup = make_backup(site)
    with transaction():
        backup.taken_at = at
        backup.proof_state = ProofState.PROVEN if proven else ProofState.UNPROVEN


def days(calendar: Calendar) -> dict[date, Day]:
    return {day.date: day for week in calendar for day in week if day is not None}


def test_weeks_begin_on_monday_and_end_today() -> None:
    calendar = backup_calendar.of_fleet(NOW)
    assert [len(week) for week in calendar] == [7] * 5
    found = days(calendar)
    assert (min(found), max(found)) == (date(2026, 10, 26), TODAY)
    assert min(found).weekday() == 0
    assert {day.standing for day in found.values()} == {Standing.IDLE}


def test_each_day_tells_what_is_proven_taken_and_missing() -> None:
    make_store()
    proven, only_taken, without = (served() for _ in range(3))
    # At 00:30 of the 24th in Jakarta, the 23rd elsewhere.
    night = datetime(2026, 11, 23, 17, 30, tzinfo=UTC)
    taken(proven, night, proven=True)
    taken(proven, night + timedelta(hours=1))
    taken(only_taken, night)
    found = days(backup_calendar.of_fleet(NOW))
    assert found[date(2026, 11, 24)] == Day(date(2026, 11, 24), 1, 1, 1)
    assert found[date(2026, 11, 23)].missing == 3
    assert found[date(2026, 11, 22)].missing == 0, "they were installed in the course of it"
    assert found[TODAY] == Day(TODAY, 0, 0, 0), "it is not over yet"
    standings = [
        days(backup_calendar.of_site(site, NOW))[date(2026, 11, 24)].standing
        for site in (proven, only_taken, without)
    ]
    assert standings == [Standing.PROVEN, Standing.TAKEN, Standing.MISSING]


def test_what_is_not_due_hides_nothing_that_is() -> None:
    """A copy to train on, a site that is gone, and one that came on the very day."""
    make_store()
    missing = served()
    yesterday = NOW - timedelta(hours=12)
    fresh = served(installed_at=yesterday)
    gone = make_site(release=make_release(), state=SiteState.REMOVED)
    copy = make_site(
        villages.register_village(
            code="5102012999", name="Latihan", copy_of=missing.village.code, by=BY
        ),
        release=make_release(),
        state=SiteState.ACTIVE,
        installed_at=NOW - timedelta(days=3),
    )
    for site in (fresh, gone, copy):
        taken(site, yesterday, proven=True)
    assert days(backup_calendar.of_fleet(NOW))[date(2026, 11, 24)] == Day(
        date(2026, 11, 24), 1, 0, 1
    )


def test_the_fleets_is_counted_every_few_minutes_and_kept() -> None:
    assert fleet_calendar.kept() is None
    assert fleet_calendar.count_if_due(NOW)
    found = fleet_calendar.kept()
    assert found is not None
    assert (found.counted_at, found.weeks) == (NOW, backup_calendar.of_fleet(NOW))
    assert not fleet_calendar.count_if_due(NOW + timedelta(minutes=4))
    assert fleet_calendar.count_if_due(NOW + timedelta(minutes=5))
    # A clock that was set back.
    assert fleet_calendar.count_if_due(NOW)
