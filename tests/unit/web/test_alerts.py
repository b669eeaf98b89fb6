"""Pages of alerts and channels: what they show, what they change, and what they never show."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from siappakai.domain.alerts import (
    AlertEvent,
    AlertKind,
    AlertState,
    DeliveryState,
    Finding,
    Severity,
)
from siappakai.models import Alert, Channel, Delivery, Role, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import alerts, audit, channels, settings
from siappakai.services.channels import Wishes
from tests.factories import BY

TOKEN = "hemlig-token-4711"
ADDRESS = f"json://127.0.0.1:9/{TOKEN}"
DISK = Finding(
    AlertKind.DISK_FILLING,
    "server:1",
    "server1",
    Severity.WARNING,
    "1",
    {"percent": 9, "free": "3"},
)
QUEUE = Finding(AlertKind.QUEUE_DOWN, "queue", "Redis", Severity.CRITICAL, "1")


@pytest.fixture
def disk(panel) -> Alert:
    alerts.reconcile([DISK], utc_now())
    return db.session.scalars(select(Alert)).one()


@pytest.fixture
def channel(panel) -> Channel:
    return add()


def add(name: str = "Tim TI", kind: str = "apprise", address: str = ADDRESS) -> Channel:
    wishes = Wishes(quiet_from="22:00", quiet_until="06:00")
    return channels.create_channel(name=name, kind=kind, address=address, wishes=wishes, by=BY)[0]


def fresh() -> None:
    """See what the panel wrote."""
    db.session.commit()
    db.session.expire_all()


def fields(**changes: str) -> dict[str, str]:
    given = {
        "name": "Jaga",
        "kind": "apprise",
        "secret_address": ADDRESS,
        "least_severity": "critical",
    }
    return {**given, "quiet_from": "", "quiet_until": "", **changes}


def test_an_alert_says_what_happened_what_it_means_and_what_to_do(viewer, disk: Alert):
    page = viewer.get("/alerts/").text
    assert "Disk hampir penuh: server1" in page
    assert "Tersisa 9% (3 GiB)" in page
    assert "perbesar disk" in page
    assert "Tandai semua" not in page
    assert "Disk hampir penuh" in viewer.get(f"/alerts/{disk.id}").text


def test_it_is_told_in_english_to_those_who_read_it(sign_in, disk: Alert):
    page = sign_in(Role.VIEWER, language="en").get("/alerts/").text
    assert "Disk nearly full: server1" in page
    assert "9% (3 GiB)" in page


def test_the_navigation_counts_what_nobody_knows_of(operator: FlaskClient, disk: Alert):
    assert 'class="badge">1<' in operator.get("/").text.replace("\n", "")
    operator.post(f"/alerts/{disk.id}/acknowledge")
    assert "badge" not in operator.get("/").text


def test_one_is_taken_note_of_by_name(operator: FlaskClient, disk: Alert):
    answer = operator.post(f"/alerts/{disk.id}/acknowledge", follow_redirects=True)
    assert "Diketahui" in answer.text
    fresh()
    assert disk.state is AlertState.ACKNOWLEDGED
    assert disk.acknowledged_by in answer.text
    assert "server1" in operator.get("/alerts/?state=acknowledged").text
    assert "server1" not in operator.get("/alerts/").text


def test_all_of_a_severity_are_taken_note_of(operator: FlaskClient, disk: Alert):
    alerts.reconcile([DISK, QUEUE], utc_now())
    operator.post("/alerts/acknowledge?severity=critical")
    page = operator.get("/alerts/").text
    assert "server1" in page
    assert "Antrean" not in page
    assert "Antrean" in operator.get("/alerts/?state=acknowledged&severity=critical").text
    assert "Antrean" not in operator.get("/alerts/?state=acknowledged&severity=warning").text


def test_ended_ones_and_odd_filters(viewer: FlaskClient, disk: Alert):
    alerts.reconcile([], utc_now() + timedelta(seconds=1))
    assert "server1" in viewer.get("/alerts/?state=ended").text
    odd = viewer.get("/alerts/?state=nonsense&severity=nonsense&page=nonsense")
    assert odd.status_code == 200
    assert "Tidak ada peringatan" in odd.text


def test_what_ended_cannot_be_taken_note_of(operator: FlaskClient, disk: Alert):
    alerts.reconcile([], utc_now())
    assert operator.post(f"/alerts/{disk.id}/acknowledge").status_code == 409


def test_the_messages_of_an_alert(admin: FlaskClient, channel: Channel):
    alerts.reconcile([QUEUE], utc_now())
    with transaction():
        delivery = db.session.scalars(select(Delivery)).one()
        delivery.state, delivery.reason = DeliveryState.FAILED, "Penerima menjawab 500."
    alert = db.session.scalars(select(Alert)).one()
    page = admin.get(f"/alerts/{alert.id}").text
    assert "Tim TI" in page
    assert "Penerima menjawab 500." in page
    page = admin.get(f"/channels/{channel.id}").text
    assert "Antrean (Redis) tidak menjawab" in page


def test_a_channel_is_added_and_its_address_never_shown_again(admin: FlaskClient):
    answer = admin.post("/channels/new", data=fields(critical_passes="y"))
    assert answer.status_code == 303
    made = db.session.scalars(select(Channel)).one()
    assert (made.scheme, made.least_severity) == ("json", Severity.CRITICAL)
    for page in ("/channels/", answer.headers["Location"], "/audit/"):
        text = admin.get(page).text
        assert "Jaga" in text
        assert TOKEN not in text
    assert TOKEN not in made.address_sealed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"secret_address": "syslog://x"}, "tidak diizinkan"),
        ({"secret_address": "file:///etc/shadow"}, "tidak diizinkan"),
        ({"secret_address": "json://"}, "tidak dapat dibaca"),
        ({"secret_address": ""}, "Isi alamat"),
        ({"kind": "webhook", "secret_address": "ftp://a.example"}, "webhook tidak sah"),
        ({"kind": "webhook", "secret_address": "https://u:p@a.example"}, "webhook tidak sah"),
        ({"quiet_from": "22:00"}, "belum lengkap"),
        ({"quiet_from": "25:00", "quiet_until": "06:00"}, "tidak sah"),
        ({"name": "Tim TI"}, "sudah dipakai"),
        ({"name": "<b>"}, "tidak sah"),
    ],
)
def test_a_bad_channel_is_refused_and_its_address_not_echoed(
    admin: FlaskClient, channel: Channel, changes: dict[str, str], said: str
):
    answer = admin.post("/channels/new", data=fields(**changes))
    assert answer.status_code in {409, 422}
    assert said in answer.text
    assert TOKEN not in answer.text
    assert len(channels.list_channels()) == 1


def test_a_webhook_shows_its_secret_once(admin: FlaskClient):
    data = fields(kind="webhook", secret_address="https://jaga.example/pesan")
    page = admin.post("/channels/new", data=data).text
    secret = page.split('class="secret">')[1].split("<")[0].strip()
    assert len(secret) > 40
    made = db.session.scalars(select(Channel)).one()
    assert secret not in made.secret_sealed
    assert secret not in admin.get(f"/channels/{made.id}").text
    renewed = admin.post(f"/channels/{made.id}/secret").text
    assert 'class="secret">' in renewed
    assert secret not in renewed


def test_only_a_webhook_has_a_secret(admin: FlaskClient, channel: Channel):
    assert admin.post(f"/channels/{channel.id}/secret").status_code == 409


def test_a_channel_is_changed_without_its_address(admin: FlaskClient, channel: Channel):
    before = channel.address_sealed
    data = fields(secret_address="", quiet_from="21.30", quiet_until="05:00")
    admin.post(f"/channels/{channel.id}", data=data)
    fresh()
    assert (channel.name, channel.quiet_from, channel.critical_passes) == ("Jaga", "21:30", False)
    assert channel.address_sealed == before
    admin.post(f"/channels/{channel.id}", data=fields(secret_address="ntfys://topik-jaga"))
    fresh()
    assert channel.scheme == "ntfys"
    refused = admin.post(f"/channels/{channel.id}", data=fields(quiet_until="06:00"))
    assert refused.status_code == 422
    details = [str(entry.detail) for entry in audit.list_entries(action="channel.").items]
    assert not any("sealed" in text or "topik" in text for text in details)


def test_a_test_is_queued_and_polled_until_it_ended(admin: FlaskClient, channel: Channel):
    admin.post(f"/channels/{channel.id}/test")
    waiting = admin.get(f"/channels/{channel.id}/messages").text
    assert "hx-get" in waiting
    with transaction():
        delivery = db.session.scalars(select(Delivery)).one()
        assert delivery.event is AlertEvent.TEST
        delivery.state, delivery.sent_at = DeliveryState.SENT, utc_now()
    ended = admin.get(f"/channels/{channel.id}/messages").text
    assert "hx-get" not in ended
    assert "Terkirim" in ended


def test_a_closed_channel_says_nothing_more(admin: FlaskClient, channel: Channel):
    alerts.reconcile([QUEUE], utc_now())
    admin.post(f"/channels/{channel.id}/disable")
    fresh()
    assert db.session.scalars(select(Delivery)).one().state is DeliveryState.DROPPED
    assert admin.post(f"/channels/{channel.id}/test").status_code == 409
    admin.post(f"/channels/{channel.id}/enable")
    fresh()
    assert channel.is_enabled


def test_a_removed_channel_leaves_its_history_and_no_secret(admin: FlaskClient, channel: Channel):
    alerts.reconcile([QUEUE], utc_now())
    admin.post(f"/channels/{channel.id}/remove")
    fresh()
    assert channel.address_sealed == ""
    assert channels.list_channels() == []
    assert admin.get(f"/channels/{channel.id}").status_code == 404
    alert = db.session.scalars(select(Alert)).one()
    assert f"Tim TI #{channel.id}" in admin.get(f"/alerts/{alert.id}").text
    add()


def test_the_threshold_of_disks(admin: FlaskClient):
    assert admin.post("/channels/threshold", data={"disk_free_percent": "20"}).status_code == 303
    assert settings.get(settings.DISK_FREE_PERCENT) == 20
    refused = admin.post("/channels/threshold", data={"disk_free_percent": "99"})
    assert refused.status_code == 422
    assert "Isi 1 sampai 50." in refused.text


def test_people_are_told_when_nobody_looks_out(admin: FlaskClient):
    assert "Penjaga peringatan tidak berjalan" in admin.get("/channels/").text
