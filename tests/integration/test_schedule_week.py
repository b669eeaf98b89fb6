"""A week with an injected clock: schedules, failures and alerts, a zone change, a month's end."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from siappakai import dispatch
from siappakai.domain.recurrence import Every, Recurrence
from siappakai.domain.states import RunState, SiteState
from siappakai.models import Occurrence, Run, Schedule, Setting, Site, db
from siappakai.models.transactions import transaction
from siappakai.services import alerts, channels, deliveries, firing, schedules, settings
from siappakai.services.channels import Wishes
from siappakai.services.schedule_orders import Order
from tests.factories import BY, make_release, make_server, make_site, make_village
from tests.receivers import Receiver, receiving

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("registry")]

JAKARTA, MAKASSAR = ZoneInfo("Asia/Jakarta"), ZoneInfo("Asia/Makassar")
# A Thursday; Monday is the last of November, and the clocks move an hour on Sunday noon.
THURSDAY = datetime(2026, 11, 26, tzinfo=JAKARTA).astimezone(UTC)
SUNDAY_NOON = THURSDAY + timedelta(days=3, hours=12)
STEP = timedelta(minutes=30)
ORDERS = {
    "Periksa malam": Order("health", Recurrence(Every.DAY, "02:00")),
    "Pasang malam": Order("install", Recurrence(Every.DAY, "22:00")),
    "Siapkan": Order("prepare", Recurrence(Every.WEEK, "03:00", weekdays=["mo"])),
    "Rapikan": Order("prune", Recurrence(Every.MONTH, "23:30", month_day=31)),
}


class _roomy:  # noqa: N801 - stands for a function
    """A disk with room: this machine's own is no part of the story."""

    def __init__(self, _path: object) -> None:
        self.free = self.total = 10**12


@dataclass
class Week:
    """The world as the week has made it, and what arrived when."""

    receiver: Receiver
    planned: Site
    release_id: int
    clock_stands: bool = False
    outcome: RunState = RunState.SUCCEEDED
    got: list[tuple[str, str, str]] = field(default_factory=list)

    def live(self, now: datetime) -> None:
        """Let a round of clock, workers and lookout pass."""
        if not self.clock_stands:
            firing.fire_due(now)
            with transaction() as session:
                session.merge(Setting(key="last_tick_at", value=now.isoformat()))
        self.work(now)
        alerts.review(since=THURSDAY, now=now)
        before = len(self.receiver.requests)
        for channel in deliveries.due_channels(now):
            deliveries.deliver(channel, now)
        self.got += [_told(now, request.body) for request in self.receiver.requests[before:]]
        db.session.expire_all()

    def work(self, now: datetime) -> None:
        """End what was asked for, as the workers do."""
        with transaction() as session:
            for run in session.scalars(select(Run).where(Run.state == RunState.QUEUED)):
                run.state, run.created_at, run.ended_at = self.outcome, now, now
                for target in run.targets:
                    target.state = self.outcome


def _told(now: datetime, body: bytes) -> tuple[str, str, str]:
    told = json.loads(body)
    return _here(now), told["event"], told["alert"]["kind"]


def _here(moment: datetime) -> str:
    zone = JAKARTA if moment < SUNDAY_NOON else MAKASSAR
    return f"{moment.astimezone(zone):%a %H.%M}"


@pytest.fixture
def week(monkeypatch: pytest.MonkeyPatch) -> Iterator[Week]:
    monkeypatch.setattr(dispatch, "worker_counts", lambda _: {"runs": 2})
    monkeypatch.setattr("siappakai.services.findings.shutil.disk_usage", _roomy)
    release = make_release()
    for name in ("Kominfo", "Cadangan"):
        make_site(make_village(), make_server(name), release=release)
    with receiving() as receiver:
        wishes = Wishes(quiet_from="22:00", quiet_until="06:00")
        address = f"http://{receiver.address}/pesan"
        channels.create_channel(name="Jaga", kind="webhook", address=address, wishes=wishes, by=BY)
        for name, order in ORDERS.items():
            schedules.create_schedule(name=name, order=order, by=BY)
        with transaction() as session:
            for schedule in session.scalars(select(Schedule)):
                schedule.settled_until = "2026-11-26T00:00:00"
        yield Week(receiver, make_site(make_village()), release.id)


def end_runs_as(week: Week, state: RunState) -> None:
    week.outcome = state


def drain(_week: Week, *, is_on: bool) -> None:
    settings.set_drain(drain=is_on, by=BY)


def plan(week: Week) -> None:
    with transaction():
        week.planned.wanted_release_id = week.release_id


def installed(week: Week) -> None:
    with transaction():
        week.planned.state, week.planned.release_id = SiteState.ACTIVE, week.release_id


def stop_clock(week: Week, *, stands: bool) -> None:
    week.clock_stands = stands


def move(_week: Week) -> None:
    settings.put(settings.TIMEZONE, "Asia/Makassar", by=BY)


# Day (0 is Thursday) and hours since its midnight in Jakarta, and what happens then.
EVENTS: dict[tuple[int, float], Callable[[Week], None]] = {
    (1, 1): partial(end_runs_as, state=RunState.FAILED),
    (1, 9): partial(end_runs_as, state=RunState.SUCCEEDED),
    (1, 20): partial(drain, is_on=True),
    (2, 8): partial(drain, is_on=False),
    (2, 9): plan,
    (2, 23): installed,
    (3, 12): move,
    (5, 0): partial(stop_clock, stands=True),  # Tuesday, 01.00 in Makassar
    (5, 1.5): partial(stop_clock, stands=False),
    (6, 0): partial(stop_clock, stands=True),
    (6, 8): partial(stop_clock, stands=False),
}

EXPECTED = [
    ("Thu 02.00", "Periksa malam", "fired", 2),
    ("Thu 22.00", "Pasang malam", "fired", 0),  # nothing is planned yet
    ("Fri 02.00", "Periksa malam", "fired", 2),
    ("Fri 22.00", "Pasang malam", "refused", 0),  # drained
    ("Sat 02.00", "Periksa malam", "refused", 0),
    ("Sat 22.00", "Pasang malam", "fired", 1),
    ("Sun 02.00", "Periksa malam", "fired", 2),
    ("Sun 22.00", "Pasang malam", "fired", 0),  # an hour sooner than the day before
    ("Mon 02.00", "Periksa malam", "fired", 2),
    ("Mon 03.00", "Siapkan", "fired", 2),
    ("Mon 22.00", "Pasang malam", "fired", 0),
    ("Mon 23.30", "Rapikan", "fired", 0),  # the 30th, as November has no 31st
    ("Tue 02.00", "Periksa malam", "caught_up", 2),
    ("Tue 22.00", "Pasang malam", "fired", 0),
    ("Wed 02.00", "Periksa malam", "missed", 0),
    ("Wed 22.00", "Pasang malam", "fired", 0),
    ("Thu 02.00", "Periksa malam", "fired", 2),
]


def test_a_week(week: Week):
    events = {THURSDAY + timedelta(days=day, hours=hour): it for (day, hour), it in EVENTS.items()}
    for step in range(7 * 48 + 12):
        now = THURSDAY + step * STEP
        if now in events:
            events[now](week)
        week.live(now)
    record = db.session.scalars(select(Occurrence).order_by(Occurrence.due_at))
    assert [
        (_here(one.due_at), one.schedule.name, one.state.value, len(one.run_ids)) for one in record
    ] == EXPECTED
    assert len(db.session.scalars(select(Run)).all()) == sum(row[3] for row in EXPECTED)
    assert week.got == [
        ("Fri 06.00", "raised", "run_failed"),  # one for each server
        ("Fri 06.00", "raised", "run_failed"),
        ("Sat 06.00", "raised", "schedule_undone"),
        ("Sat 06.00", "raised", "schedule_undone"),
        ("Sun 06.00", "ended", "schedule_undone"),  # since Saturday 22.00
        ("Sun 06.00", "ended", "run_failed"),  # by the check of Sunday night
        ("Sun 06.00", "ended", "run_failed"),
        ("Sun 06.00", "ended", "schedule_undone"),
        ("Tue 01.00", "raised", "clock_stopped"),  # critical: at night as well
        ("Tue 06.00", "ended", "clock_stopped"),
        ("Wed 01.00", "raised", "clock_stopped"),
        ("Wed 09.00", "raised", "schedule_undone"),
        ("Wed 09.00", "ended", "clock_stopped"),
        ("Thu 06.00", "ended", "schedule_undone"),
    ]
