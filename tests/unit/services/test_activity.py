"""The work of a month by day, in the regency's zone, and the sites nobody looked at."""

from datetime import UTC, date, datetime, timedelta

import pytest

from siappakai.domain.states import RunState, SiteState
from siappakai.services import activity, settings
from tests.databases import every_database
from tests.factories import BY, make_release, make_run, make_site

pytestmark = [every_database, pytest.mark.usefixtures("registry")]
# 05:00 on the 2nd in Bali.
NOW = datetime(2026, 12, 1, 21, 0, tzinfo=UTC)


def test_a_run_counts_on_the_day_the_regency_had() -> None:
    settings.put(settings.TIMEZONE, "Asia/Makassar", by=BY)
    site = make_site(release=make_release())
    for hours, state in ((1, "succeeded"), (6, "failed"), (6, "cancelled"), (24 * 40, "failed")):
        ended = NOW - timedelta(hours=hours)
        make_run("health", [site], state=RunState(state), ended_at=ended)
    make_run("health", [site], state=RunState.RUNNING)
    days = activity.daily_runs(30, now=NOW)
    assert [day.date for day in (days[0], days[-1])] == [date(2026, 11, 3), date(2026, 12, 2)]
    assert len(days) == 30
    assert (days[-1].succeeded, days[-1].failed) == (1, 0)
    assert (days[-2].succeeded, days[-2].failed) == (0, 1)
    assert sum(day.succeeded + day.failed for day in days) == 2


def test_installed_sites_not_looked_at_for_a_week_are_stale_the_oldest_first() -> None:
    release = make_release()
    seen = {
        "never": None,
        "long ago": NOW - timedelta(days=30),
        "last week": NOW - timedelta(days=8),
        "today": NOW,
    }
    sites = {name: make_site(release=release, checked_at=at) for name, at in seen.items()}
    make_site()
    make_site(release=release, state=SiteState.BROKEN)
    found = activity.stale_sites(limit=2, now=NOW)
    assert found.count == 3
    assert [site.id for site in found.oldest] == [sites["never"].id, sites["long ago"].id]
