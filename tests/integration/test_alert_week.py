"""A week with an injected clock: failures, nights, a channel that is down, and what people got."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from siappakai import dispatch
from siappakai.domain.alerts import AlertState
from siappakai.domain.states import RunState
from siappakai.models import Server, Setting, Site, db
from siappakai.models.transactions import transaction
from siappakai.services import alerts, channels, deliveries
from siappakai.services.channels import Wishes
from tests.factories import BY, make_run, make_server, make_site
from tests.receivers import Receiver, receiving

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("registry")]

JAKARTA = ZoneInfo("Asia/Jakarta")
MONDAY = datetime(2026, 11, 23, tzinfo=JAKARTA).astimezone(UTC)
STEP = timedelta(minutes=30)


@dataclass
class Week:
    """The world as the week has made it, and what arrived when."""

    receiver: Receiver
    server: Server
    sites: list[Site]
    clock_stands: bool = False
    got: list[tuple[str, str, str]] = field(default_factory=list)

    def live(self, now: datetime) -> None:
        """Let one round of the lookout, and of the clock if it goes, pass."""
        if not self.clock_stands:
            with transaction() as session:
                session.merge(Setting(key="last_tick_at", value=now.isoformat()))
        alerts.review(since=MONDAY, now=now)
        before = len(self.receiver.requests)
        for channel in deliveries.due_channels(now):
            deliveries.deliver(channel, now)
        if self.receiver.answer == 200:
            self.got += [_told(now, request.body) for request in self.receiver.requests[before:]]
        db.session.expire_all()


def _told(now: datetime, body: bytes) -> tuple[str, str, str]:
    told = json.loads(body)
    return f"{now.astimezone(JAKARTA):%a %H.%M}", told["event"], told["alert"]["kind"]


@pytest.fixture
def week(monkeypatch: pytest.MonkeyPatch) -> Iterator[Week]:
    monkeypatch.setattr(dispatch, "worker_counts", lambda _: {"runs": 2})
    # This machine's own disk is no part of the story.
    monkeypatch.setattr("siappakai.services.findings.shutil.disk_usage", _roomy)
    with receiving() as receiver:
        wishes = Wishes(quiet_from="22:00", quiet_until="06:00")
        address = f"http://{receiver.address}/pesan"
        channels.create_channel(name="Jaga", kind="webhook", address=address, wishes=wishes, by=BY)
        server = make_server("Kominfo")
        expiry = MONDAY + timedelta(days=20)
        sites = [
            make_site(server=server, certificate="/etc/a.pem", certificate_expires_at=expiry)
            for _ in range(3)
        ]
        yield Week(receiver, server, sites)


class _roomy:  # noqa: N801 - stands for a function
    """A disk with room."""

    def __init__(self, _path: object) -> None:
        self.free = self.total = 10**12


def check_runs(week: Week, now: datetime, state: RunState) -> None:
    make_run("health", [week.sites[0]], state=state, ended_at=now)


def fall_silent(week: Week, now: datetime) -> None:
    with transaction():
        week.server.silent_since = now - timedelta(minutes=5)
        week.server.silence = "unreachable"


def answer_again(week: Week, _now: datetime) -> None:
    with transaction():
        week.server.silent_since, week.server.silence = None, ""


def receive(week: Week, _now: datetime, status: int) -> None:
    week.receiver.answer = status


def stop_clock(week: Week, now: datetime, *, stands: bool) -> None:
    week.clock_stands = stands


# Day (0 is Monday) and hour in Jakarta, and what happens then.
EVENTS = {
    (0, 23): partial(check_runs, state=RunState.FAILED),  # a nightly check,
    (1, 23): partial(check_runs, state=RunState.FAILED),  # and again
    (2, 9): partial(check_runs, state=RunState.SUCCEEDED),
    (3, 2): fall_silent,
    (3, 5): answer_again,
    (4, 9): partial(receive, status=500),
    (4, 10): partial(stop_clock, stands=True),
    (4, 16): partial(receive, status=200),
    (5, 12): partial(stop_clock, stands=False),
}


def test_a_week(week: Week):
    events = {MONDAY + timedelta(days=day, hours=hour): it for (day, hour), it in EVENTS.items()}
    for step in range(7 * 48):
        now = MONDAY + step * STEP
        if now in events:
            events[now](week, now)
        week.live(now)
    assert week.got == [
        ("Tue 06.00", "raised", "run_failed"),  # not at night, and once for both failures
        ("Wed 09.00", "ended", "run_failed"),
        ("Thu 02.00", "raised", "server_silent"),  # critical: at night as well
        ("Thu 06.00", "ended", "server_silent"),  # but its end wakes nobody
        ("Fri 16.00", "raised", "clock_stopped"),  # as soon as the receiver is back
        ("Sat 12.00", "ended", "clock_stopped"),
        ("Sun 06.00", "raised", "certificate_expiring"),  # two weeks left since midnight
    ]
    told = {(one.kind.value, one.count, one.state) for one in alerts.list_alerts().items}
    assert told == {
        ("run_failed", 2, AlertState.ENDED),
        ("server_silent", 1, AlertState.ENDED),
        ("clock_stopped", 1, AlertState.ENDED),
        ("certificate_expiring", 2, AlertState.OPEN),
    }
