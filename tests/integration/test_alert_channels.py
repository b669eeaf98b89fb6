"""Messages to real receivers: what arrives, what is tried again, what must not wait for what."""

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from aiosmtpd.controller import Controller
from apprise.plugins.telegram import NotifyTelegram
from sqlalchemy import select

from siappakai.domain.alerts import (
    MAX_ATTEMPTS,
    AlertKind,
    AlertState,
    DeliveryState,
    Finding,
    Severity,
)
from siappakai.lookout import Children, look
from siappakai.models import Alert, Channel, Delivery, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import alerts, channels, deliveries, rounds
from siappakai.services.channels import Wishes
from tests.factories import BY
from tests.receivers import Receiver, receiving

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("registry")]

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
TOKEN = "123456789:ABCdef_hemlig-token-0123456789abcde"
FINDING = Finding(
    AlertKind.SERVER_SILENT,
    "server:1",
    "server1",
    Severity.CRITICAL,
    "1",
    {"cause": "unreachable", "sites": 80},
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def webhook(receiver: Receiver, name: str = "Webhook") -> tuple[Channel, str]:
    address = f"http://{receiver.address}/siappakai"
    return channels.create_channel(name=name, kind="webhook", address=address, by=BY)


def apprise(address: str, name: str = "Saluran", **wishes) -> Channel:
    made, _ = channels.create_channel(
        name=name, kind="apprise", address=address, wishes=Wishes(**wishes), by=BY
    )
    return made


def raise_alert(now: datetime = NOW) -> None:
    alerts.reconcile([FINDING], now)


def only() -> Delivery:
    db.session.expire_all()
    return db.session.scalars(select(Delivery)).one()


def is_genuine(secret: str, headers: dict[str, str], body: bytes, now: float) -> bool:
    """The check that docs/operations.md tells receivers to make."""
    stamp = headers["X-SiapPakai-Timestamp"]
    expected = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    given = headers["X-SiapPakai-Signature"].removeprefix("sha256=")
    return hmac.compare_digest(expected, given) and abs(now - int(stamp)) <= 300


def test_a_webhook_is_signed_over_its_time_and_body(receiver: Receiver):
    channel, secret = webhook(receiver)
    raise_alert()
    deliveries.deliver(channel.id, NOW)
    (request,) = receiver.requests
    assert is_genuine(secret, request.headers, request.body, NOW.timestamp() + 1)
    assert not is_genuine("another", request.headers, request.body, NOW.timestamp())
    assert not is_genuine(secret, request.headers, request.body + b" ", NOW.timestamp())
    assert not is_genuine(secret, request.headers, request.body, NOW.timestamp() + 301)
    moved = {**request.headers, "X-SiapPakai-Timestamp": str(int(NOW.timestamp()) + 1)}
    assert not is_genuine(secret, moved, request.body, NOW.timestamp())
    told = json.loads(request.body)
    assert request.headers["X-SiapPakai-Delivery"] == str(told["delivery"]) == str(only().id)
    assert (told["event"], told["severity"]) == ("raised", "critical")
    assert told["title"] == "[GENTING] Server tidak dapat dihubungi: server1"
    assert told["alert"]["kind"] == "server_silent"
    assert (only().state, only().sent_at, only().reason) == (DeliveryState.SENT, NOW, "")


def test_a_new_secret_signs_from_then_on(receiver: Receiver):
    channel, old = webhook(receiver)
    new = channels.renew_secret(channel.id, by=BY)
    raise_alert()
    deliveries.deliver(channel.id, NOW)
    (request,) = receiver.requests
    assert is_genuine(new, request.headers, request.body, NOW.timestamp())
    assert not is_genuine(old, request.headers, request.body, NOW.timestamp())


def test_a_webhook_follows_no_redirect(receiver: Receiver):
    receiver.answer = 302
    channel, _ = webhook(receiver)
    raise_alert()
    deliveries.deliver(channel.id, NOW)
    assert [request.path for request in receiver.requests] == ["/siappakai"]
    assert (only().state, only().reason) == (DeliveryState.FAILED, "Penerima menjawab 302.")


def test_telegram(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://{receiver.address}/bot")
    channel = apprise(f"tgram://{TOKEN}/987654321/")
    raise_alert()
    deliveries.deliver(channel.id, NOW)
    assert only().state is DeliveryState.SENT, only().reason
    request = receiver.requests[-1]
    assert request.path == f"/bot{TOKEN}/sendMessage"
    told = json.loads(request.body)
    assert told["chat_id"] == 987654321
    assert "Server tidak dapat dihubungi: server1" in told["text"]
    assert "Yang perlu dilakukan" in told["text"]


def test_a_refusal_of_telegram_is_told_without_its_token(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    receiver.answer = 401
    monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://{receiver.address}/bot")
    channel = apprise(f"tgram://{TOKEN}/987654321/")
    raise_alert()
    deliveries.deliver(channel.id, NOW)
    assert only().state is DeliveryState.FAILED
    assert "401" in only().reason
    assert not any(part in only().reason for part in (*TOKEN.split(":"), "987654321"))


def test_a_whatsapp_gateway_that_takes_forms(receiver: Receiver):
    """As the gateways people use here do: a token in a header, number and text as a form."""
    channel = apprise(
        f"form://{receiver.address}/send?+Authorization={TOKEN[10:]}&:target=6281234567890"
    )
    raise_alert()
    deliveries.deliver(channel.id, NOW)
    assert only().state is DeliveryState.SENT, only().reason
    (request,) = receiver.requests
    form = parse_qs(request.body.decode())
    assert request.headers["Authorization"] == TOKEN[10:]
    assert form["target"] == ["6281234567890"]
    assert "Yang perlu dilakukan" in form["message"][0]


class Mailbox:
    """Keeps the envelopes an SMTP server takes."""

    def __init__(self) -> None:
        self.envelopes = []

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.envelopes.append(envelope)
        return "250 OK"


@pytest.fixture
def mailbox(unused_port: Callable[[], int]) -> Iterator[tuple[Mailbox, int]]:
    box, port = Mailbox(), unused_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


@pytest.fixture
def unused_port() -> Callable[[], int]:
    def find() -> int:
        with receiving() as found:
            return found.port

    return find


def test_e_mail(mailbox: tuple[Mailbox, int]):
    box, port = mailbox
    channel = apprise(
        f"mailto://127.0.0.1:{port}?from=panel@tabanan.example&to=jaga@tabanan.example&mode=insecure"
    )
    raise_alert()
    deliveries.deliver(channel.id, NOW)
    assert only().state is DeliveryState.SENT, only().reason
    (envelope,) = box.envelopes
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert envelope.rcpt_tos == ["jaga@tabanan.example"]
    assert mail["Subject"] == "[GENTING] Server tidak dapat dihubungi: server1"
    assert "Yang perlu dilakukan" in mail.get_body().get_content()


def test_what_is_refused_is_tried_again_until_it_arrives(receiver: Receiver):
    receiver.answer = 500
    channel = apprise(f"json://{receiver.address}/hook")
    raise_alert()
    deliveries.deliver(channel.id, NOW)
    assert (only().state, only().attempts) == (DeliveryState.FAILED, 1)
    assert deliveries.due_channels(NOW + timedelta(seconds=59)) == []
    deliveries.deliver(channel.id, NOW + timedelta(seconds=59))
    assert len(receiver.requests) == 1
    receiver.answer = 200
    later = NOW + timedelta(seconds=60)
    assert deliveries.due_channels(later) == [channel.id]
    deliveries.deliver(channel.id, later)
    assert (only().state, only().attempts, only().reason) == (DeliveryState.SENT, 2, "")
    assert deliveries.due_channels(later + timedelta(days=2)) == []


def test_what_never_arrives_is_given_up_after_a_day(unused_port: Callable[[], int]):
    channel = apprise(f"json://127.0.0.1:{unused_port()}/hook")
    raise_alert()
    now, tries = NOW, 0
    while only().next_try_at is not None:
        now = only().next_try_at
        deliveries.deliver(channel.id, now)
        tries += 1
    assert tries == only().attempts == MAX_ATTEMPTS
    assert only().state is DeliveryState.GIVEN_UP
    assert timedelta(hours=20) < now - NOW < timedelta(hours=28)
    assert only().reason


def test_a_test_is_sent_at_night_and_tried_only_once(receiver: Receiver):
    receiver.answer = 500
    channel = apprise(f"json://{receiver.address}/hook", quiet_from="00:00", quiet_until="23:59")
    channels.request_test(channel.id, by=BY)
    deliveries.deliver(channel.id)
    assert (only().state, only().attempts) == (DeliveryState.GIVEN_UP, 1)
    assert "percobaan" in json.loads(receiver.requests[0].body)["message"]


def test_quiet_hours_set_afterwards_hold_too(receiver: Receiver):
    channel = apprise(f"json://{receiver.address}/hook")
    raise_alert()
    wishes = Wishes(quiet_from="14:00", quiet_until="16:00", critical_passes=False)
    channels.update_channel(channel.id, wishes=wishes, by=BY)
    deliveries.deliver(channel.id, NOW)  # 15.00 in Jakarta
    assert (only().state, only().attempts) == (DeliveryState.QUEUED, 0)
    assert only().next_try_at == NOW + timedelta(hours=1)
    deliveries.deliver(channel.id, NOW + timedelta(hours=1))
    assert only().state is DeliveryState.SENT


def test_the_end_of_an_alert_is_told(receiver: Receiver):
    channel = apprise(f"json://{receiver.address}/hook")
    raise_alert()
    deliveries.deliver(channel.id, NOW)
    alerts.reconcile([], NOW)
    deliveries.deliver(channel.id, NOW)
    titles = [json.loads(request.body)["title"] for request in receiver.requests]
    assert [title.split()[0] for title in titles] == ["[GENTING]", "[SELESAI]"]


def test_a_lost_key_ring_is_a_reason_not_a_crash(receiver: Receiver):
    channel, _ = webhook(receiver)
    raise_alert()
    current_settings().credentials_file.unlink()
    deliveries.deliver(channel.id, NOW)
    assert only().state is DeliveryState.FAILED
    assert "kunci" in only().reason


def test_two_lookouts_send_everything_once(receiver: Receiver):
    channel, _ = webhook(receiver)
    for _ in range(8):
        channels.request_test(channel.id, by=BY)
    both = [Children(current_settings()), Children(current_settings())]
    for children in both:
        children.start("channel", channel.id, deliveries.deliver)
    await_end(*both)
    sent = sorted(request.headers["X-SiapPakai-Delivery"] for request in receiver.requests)
    assert len(sent) == 8
    assert len(set(sent)) == 8


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_a_channel_that_hangs_keeps_nobody_waiting(answer: str, receiver: Receiver):
    """Not its neighbour, not the next look; it is killed, and tried again after its pause."""
    with receiving(answer) as hanging:
        stuck, _ = webhook(hanging, "Macet")
        well, _ = webhook(receiver, "Lancar")
        channels.request_test(well.id, by=BY)
        # Without a Redis there is something to tell both of.
        children = Children(current_settings(), limit_seconds=3)
        started = time.monotonic()
        look(current_settings(), children, utc_now())
        assert time.monotonic() - started < 2
        while not receiver.requests and time.monotonic() - started < 3:
            time.sleep(0.05)
        assert receiver.requests
        await_end(children)
        assert time.monotonic() - started < 8
    db.session.expire_all()
    (delivery,) = db.session.scalars(select(Delivery).where(Delivery.channel_id == stuck.id))
    assert (delivery.state, delivery.attempts) == (DeliveryState.SENDING, 1)
    assert delivery.alert.kind is AlertKind.QUEUE_DOWN
    again = delivery.next_try_at
    assert again - utc_now() > timedelta(seconds=30)
    deliveries.deliver(stuck.id, again)
    assert delivery.attempts == 2
    assert delivery.state is DeliveryState.FAILED


def test_one_that_hung_at_its_last_try_is_given_up(receiver: Receiver):
    channel, _ = webhook(receiver)
    raise_alert()
    with transaction():
        delivery = only()
        delivery.state, delivery.attempts = DeliveryState.SENDING, MAX_ATTEMPTS
    deliveries.deliver(channel.id, NOW)
    assert only().state is DeliveryState.GIVEN_UP
    assert "menggantung" in only().reason
    assert receiver.requests == []


def test_the_lookout_tells_people_that_the_queue_is_dead(receiver: Receiver):
    """The process as it is started; there is no Redis at all."""
    webhook(receiver)
    environment = {**installation(), "SIAPPAKAI_LOOKOUT_SECONDS": "0.5"}
    process = subprocess.Popen([sys.executable, "-m", "siappakai.lookout"], env=environment)
    try:
        until = time.monotonic() + 60
        while not receiver.requests and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert json.loads(receiver.requests[0].body)["alert"]["kind"] == "queue_down"
    (alert,) = db.session.scalars(select(Alert).where(Alert.kind == AlertKind.QUEUE_DOWN))
    assert alert.state is AlertState.OPEN
    assert rounds.last_lookout_at() is not None


def test_the_command_line_says_whether_a_test_arrived(receiver: Receiver):
    webhook(receiver)
    program = Path(sys.executable).with_name("siappakai")
    command = [program, "channel", "test", "Webhook", "--json"]
    for answer, state, code in ((200, "sent", 0), (404, "given_up", 1)):
        receiver.answer = answer
        said = subprocess.run(command, env=installation(), check=False, capture_output=True)
        assert json.loads(said.stdout)["state"] == state, said.stderr
        assert said.returncode == code


def installation() -> dict[str, str]:
    """Return the environment of a program over the test's registry."""
    settings = current_settings()
    return {
        **os.environ,
        "SIAPPAKAI_STATE": str(settings.state),
        "SIAPPAKAI_RUN_DIR": str(settings.run_dir),
        "SIAPPAKAI_DATABASE_URL": settings.registry_url,
    }


def await_end(*all_children: Children) -> None:
    until = time.monotonic() + 30
    while any(children.count for children in all_children) and time.monotonic() < until:
        for children in all_children:
            children.reap()
        time.sleep(0.05)
    assert not any(children.count for children in all_children)
