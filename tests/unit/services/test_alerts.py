"""Alerts rise with what is wrong, are counted, and end when it is gone."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from siappakai import dispatch
from siappakai.domain.alerts import AlertKind, AlertState, DeliveryState, Finding, Severity
from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.errors import ConflictError, NotFoundError, UnreachableError
from siappakai.models import Alert, Delivery, Setting, db
from siappakai.models.transactions import transaction
from siappakai.services import alerts, audit, channels, demo, enrolment, rounds, settings
from siappakai.services.channels import Wishes
from tests.factories import BY, make_run, make_server, make_site, make_user

pytestmark = pytest.mark.usefixtures("registry", "well")

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
GIB = 1024**3
ADDRESS = "json://127.0.0.1:9/rahasia-sekali"


@pytest.fixture
def well(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that answers, a clock that ticks, a disk with room."""
    monkeypatch.setattr(dispatch, "worker_counts", lambda _: {"runs": 2, "settle": 1, "clock": 1})
    tick(NOW)


def tick(at: datetime, key: str = "last_tick_at") -> None:
    with transaction() as session:
        session.merge(Setting(key=key, value=at.isoformat()))


def review(now: datetime = NOW) -> list[Alert]:
    """Look around as a lookout that has long been at it; the alerts of the fleet that stand."""
    alerts.review(since=NOW - timedelta(days=1), now=now)
    db.session.expire_all()
    return standing()


def standing() -> list[Alert]:
    query = select(Alert).where(Alert.ended_at.is_(None), Alert.subject != "panel")
    return list(db.session.scalars(query.order_by(Alert.id)))


def failed(*targets, play: str = "install", at: datetime = NOW):
    return make_run(play, targets, state=RunState.FAILED, ended_at=at)


def finding(severity: Severity = Severity.WARNING, sighting: str = "1") -> Finding:
    return Finding(AlertKind.QUEUE_DOWN, "x", "X", severity, sighting)


def test_nothing_is_wrong_with_a_fleet_that_is_well():
    make_run(targets=[make_site()], state=RunState.SUCCEEDED, ended_at=NOW)
    assert review() == []


def test_a_failed_run_is_one_alert_however_often_it_is_looked_at():
    run = failed(make_site(), make_site())
    (alert,) = review()
    review(NOW + timedelta(seconds=10))
    assert alert.kind is AlertKind.RUN_FAILED
    assert alert.severity is Severity.WARNING
    assert alert.count == 1
    assert alert.last_seen_at == NOW + timedelta(seconds=10)
    story = alerts.indonesian_story(alert)
    assert story.title == "Pekerjaan gagal: Pasang situs desa di server1"
    assert f"2 bagian pekerjaan {run.id} gagal" in story.meaning


def test_a_failure_again_is_counted_and_success_ends_it():
    site, other = make_site(), make_site()
    failed(site, other)
    review()
    again = failed(site)
    (alert,) = review()
    assert alert.count == 2
    assert alert.params["run"] == again.id
    make_run(targets=[site], state=RunState.SUCCEEDED, ended_at=NOW)
    (alert,) = review()
    assert alert.params["failed"] == 1
    make_run("health", targets=[other], state=RunState.SUCCEEDED, ended_at=NOW)
    assert review() == []
    assert alert.state is AlertState.ENDED
    assert alert.open_key is None


def test_a_server_that_left_the_registry_takes_its_alert_along():
    site = make_site()
    failed(site)
    (alert,) = review()
    demo.forget_server(site.server_id)
    assert review(NOW + timedelta(minutes=1)) == []
    assert db.session.get_one(Alert, alert.id).ended_at is not None


def test_an_alert_outlives_the_week_its_run_is_news():
    failed(make_site())
    review()
    late = NOW + timedelta(days=9)
    tick(late)
    assert len(review(late)) == 1


def test_an_old_failure_is_not_raised_at_all():
    failed(make_site(), at=NOW - timedelta(days=8))
    assert review() == []


def test_a_server_that_could_not_be_prepared_until_it_is():
    server = make_server(state=ServerState.FAILED)
    failed(server, play="server")
    (alert,) = review()
    assert alert.subject == f"server:{server.id}:server"
    make_run("server", [server], state=RunState.SUCCEEDED, ended_at=NOW)
    assert review() == []


def test_failures_of_different_servers_are_different_alerts():
    failed(make_site(server=make_server()))
    failed(make_site(server=make_server()))
    assert len(review()) == 2


def test_a_lost_run_gets_worse_when_it_is_not_settled():
    make_run(targets=[make_site()], state=RunState.LOST)
    (alert,) = review()
    assert (alert.kind, alert.severity) == (AlertKind.RUN_LOST, Severity.WARNING)
    later = NOW + timedelta(minutes=11)
    tick(later)
    (alert,) = review(later)
    assert alert.severity is Severity.CRITICAL


def test_a_silent_server_after_two_tries_in_vain():
    server = make_server(silent_since=NOW - timedelta(seconds=30), silence="unreachable")
    assert review() == []
    (alert,) = review(NOW + timedelta(seconds=61))
    assert alert.kind is AlertKind.SERVER_SILENT
    assert "tidak menjawab" in alerts.indonesian_story(alert).meaning
    with transaction():
        server.silent_since, server.silence = None, ""
    assert review(NOW + timedelta(seconds=70)) == []


def test_a_disk_that_fills_by_the_limit_people_set():
    make_server(probed_at=NOW, facts={"disk_bytes": 100 * GIB, "disk_free_bytes": 10 * GIB})
    (alert,) = review()
    assert alert.severity is Severity.WARNING
    assert "Tersisa 10% (10.0 GiB)" in alerts.indonesian_story(alert).meaning
    settings.put(settings.DISK_FREE_PERCENT, 9, by=BY)
    assert review() == []
    settings.put(settings.DISK_FREE_PERCENT, 40, by=BY)
    assert review()[0].severity is Severity.CRITICAL


def test_a_certificate_shared_by_sites_is_one_alert_that_gets_worse():
    for _ in range(3):
        make_site(
            certificate="/etc/ssl/semua.pem",
            certificate_expires_at=NOW + timedelta(days=20),
        )
    (alert,) = review()
    assert (alert.severity, alert.count) == (Severity.INFO, 1)
    assert alert.label.endswith("(+2)")
    for days, severity in ((10, Severity.WARNING), (2, Severity.CRITICAL)):
        now = NOW + timedelta(days=20 - days)
        tick(now)
        (alert,) = review(now)
        assert alert.severity is severity
    assert alert.count == 3
    assert "WIB" in alerts.indonesian_story(alert).meaning


def test_a_certificate_that_is_gone_is_told_and_ends_no_alert():
    site = make_site(
        state=SiteState.ACTIVE,
        certificate="/etc/ssl/desa.pem",
        certificate_expires_at=NOW + timedelta(days=2),
    )
    facts = {"disk_bytes": 100 * GIB, "disk_free_bytes": 90 * GIB}
    assert [one.kind for one in review()] == [AlertKind.CERTIFICATE_EXPIRING]
    with transaction():
        enrolment.keep_facts(site.server, {**facts, "certificates": {"/etc/ssl/desa.pem": ""}})
    found = {one.kind: one.severity for one in review()}
    assert found == {
        AlertKind.CERTIFICATE_EXPIRING: Severity.CRITICAL,
        AlertKind.CERTIFICATE_MISSING: Severity.CRITICAL,
    }
    later = (NOW + timedelta(days=90)).isoformat()
    with transaction():
        enrolment.keep_facts(site.server, {**facts, "certificates": {"/etc/ssl/desa.pem": later}})
    assert review() == []


def test_a_clock_that_stopped_while_somebody_looked():
    later = NOW + timedelta(minutes=5)
    alerts.review(since=later - timedelta(seconds=30), now=later)
    assert standing() == []
    (alert,) = review(later)
    assert alert.kind is AlertKind.CLOCK_STOPPED
    assert "22 Nov 2026, 15.00 WIB" in alerts.indonesian_story(alert).meaning
    tick(later)
    assert review(later) == []


def test_a_queue_that_is_down_hides_the_clock_it_stops(monkeypatch: pytest.MonkeyPatch):
    def refuse(_):
        raise UnreachableError("Redis")

    monkeypatch.setattr(dispatch, "worker_counts", refuse)
    assert [one.kind for one in review(NOW + timedelta(hours=1))] == [AlertKind.QUEUE_DOWN]


def test_a_queue_nobody_serves(monkeypatch: pytest.MonkeyPatch):
    make_run(created_at=NOW - timedelta(minutes=6), message="Menunggu pekerjaan 1.")
    assert review() == []
    monkeypatch.setattr(dispatch, "worker_counts", lambda _: {"runs": 0})
    (alert,) = review()
    assert alert.kind is AlertKind.QUEUE_STUCK
    settings.set_drain(drain=True, by=BY)
    assert review() == []


def test_a_queue_whose_workers_are_busy_is_not_stuck():
    make_run(created_at=NOW - timedelta(minutes=6))
    assert len(review()) == 1
    long_ago = NOW - timedelta(hours=1)
    for _ in range(2):
        make_run(targets=[make_site()], state=RunState.RUNNING, started_at=long_ago)
    assert review() == []


def test_the_clock_sees_that_the_lookout_is_silent():
    alerts.watch_the_lookout(NOW)
    assert standing() == []
    tick(NOW - timedelta(minutes=3), "last_lookout_at")
    alerts.watch_the_lookout(NOW)
    alerts.watch_the_lookout(NOW)
    (alert,) = standing()
    assert alert.kind is AlertKind.LOOKOUT_STOPPED
    assert review() == []


def test_everything_was_off_is_no_silence_of_the_lookout():
    tick(NOW - timedelta(hours=9), "last_lookout_at")
    tick(NOW - timedelta(hours=9))
    alerts.watch_the_lookout(NOW)
    assert standing() == []


def test_the_round_of_the_lookout_is_kept():
    assert rounds.last_lookout_at() is None
    rounds.note_lookout()
    assert rounds.last_lookout_at() is not None


def test_taking_note_and_getting_worse():
    alerts.reconcile([finding()], NOW)
    (alert,) = standing()
    assert alerts.count_open() == 1
    alerts.acknowledge(alert.id, by=BY)
    assert alerts.count_open() == 0
    assert alert.state is AlertState.ACKNOWLEDGED
    alerts.acknowledge(alert.id, by="another")
    assert alert.acknowledged_by == BY
    alerts.reconcile([finding(sighting="2")], NOW)
    assert alert.state is AlertState.ACKNOWLEDGED
    alerts.reconcile([finding(Severity.CRITICAL)], NOW)
    assert alert.state is AlertState.OPEN
    entries = audit.list_entries(action="alert.").items
    assert [entry.actor for entry in entries] == [BY]


def test_what_ended_needs_no_note():
    alerts.reconcile([finding()], NOW)
    (alert,) = standing()
    alerts.reconcile([], NOW)
    with pytest.raises(ConflictError):
        alerts.acknowledge(alert.id, by=BY)
    with pytest.raises(NotFoundError):
        alerts.get_alert(999)


def test_taking_note_of_all_of_one_severity():
    other = Finding(AlertKind.QUEUE_STUCK, "y", "Y", Severity.INFO, "1")
    alerts.reconcile([finding(), other], NOW)
    assert len(alerts.acknowledge_all(severity=Severity.INFO, by=BY)) == 1
    assert len(alerts.acknowledge_all(by=BY)) == 1
    assert len(alerts.acknowledge_all(by=BY)) == 0


def test_what_stands_is_listed_worst_first():
    critical = Finding(AlertKind.QUEUE_STUCK, "y", "Y", Severity.CRITICAL, "1")
    newest = Finding(AlertKind.QUEUE_STUCK, "z", "Z", Severity.INFO, "1")
    alerts.reconcile([critical], NOW - timedelta(hours=1))
    alerts.reconcile([critical, finding(), newest], NOW)
    listed = [one.subject for one in alerts.list_alerts(state=AlertState.OPEN).items]
    assert listed == ["y", "x", "z"]
    assert [one.subject for one in alerts.list_alerts().items] == ["z", "x", "y"]


def test_lists_by_state_and_severity():
    alerts.reconcile([finding()], NOW)
    for state, count in ((AlertState.OPEN, 1), (AlertState.ACKNOWLEDGED, 0), (AlertState.ENDED, 0)):
        assert alerts.list_alerts(state=state).total == count
    assert alerts.list_alerts(severity=Severity.CRITICAL).total == 0
    assert alerts.list_alerts(severity=Severity.WARNING).total == 1
    alerts.reconcile([], NOW)
    assert alerts.list_alerts(state=AlertState.ENDED).total == 1


def add_channel(name: str = "WA", **wishes):
    return channels.create_channel(
        name=name, kind="apprise", address=ADDRESS, wishes=Wishes(**wishes), by=BY
    )[0]


def sent(delivery: Delivery) -> None:
    with transaction():
        delivery.state = DeliveryState.SENT


def queued() -> list[tuple[str, str]]:
    query = select(Delivery).order_by(Delivery.id)
    return [(one.event.value, one.state.value) for one in db.session.scalars(query)]


def test_channels_are_told_of_what_is_severe_enough_for_them():
    add_channel("Semua", least_severity=Severity.INFO)
    add_channel("Genting", least_severity=Severity.CRITICAL)
    alerts.reconcile([finding()], NOW)
    alerts.reconcile([finding()], NOW)
    assert queued() == [("raised", "queued")]
    alerts.reconcile([finding(Severity.CRITICAL)], NOW)
    assert queued() == [("raised", "queued")] * 3


def test_the_end_is_told_to_those_who_were_told_of_the_beginning():
    add_channel()
    alerts.reconcile([finding()], NOW)
    alerts.reconcile([], NOW)
    assert queued() == [("raised", "dropped")]
    alerts.reconcile([finding()], NOW)
    sent(db.session.scalars(select(Delivery).order_by(Delivery.id.desc())).first())
    alerts.reconcile([], NOW)
    assert queued() == [("raised", "dropped"), ("raised", "sent"), ("ended", "queued")]


def test_a_message_on_its_way_counts_as_told():
    add_channel()
    alerts.reconcile([finding()], NOW)
    with transaction():
        db.session.scalars(select(Delivery)).one().state = DeliveryState.SENDING
    alerts.reconcile([], NOW)
    assert queued()[1:] == [("ended", "queued")]


def test_at_night_only_what_is_critical_is_due_now():
    add_channel(quiet_from="22:00", quiet_until="06:00")
    night = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)  # 23.00 in Jakarta
    alerts.reconcile([finding()], night)
    alerts.reconcile([finding(Severity.CRITICAL)], night)
    due = list(db.session.scalars(select(Delivery.next_try_at).order_by(Delivery.id)))
    assert due == [datetime(2026, 11, 22, 23, 0, tzinfo=UTC), night]


def test_nothing_of_people_or_secrets_is_in_an_alert():
    user = make_user()
    failed(make_site(message=f"{user.username} rahasia"))
    (alert,) = review()
    assert set(alert.params) == {"play", "failed", "run", "first"}
