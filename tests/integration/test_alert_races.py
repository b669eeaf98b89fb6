"""Several lookouts at the same registry: one alert, one message, on every database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from siappakai.domain.alerts import AlertKind, Finding, Severity
from siappakai.models import Alert, Delivery, db, utc_now
from siappakai.services import alerts, channels, deliveries
from tests.databases import every_database
from tests.factories import BY
from tests.receivers import receiving

pytestmark = [pytest.mark.integration, every_database]

FINDING = Finding(AlertKind.QUEUE_DOWN, "queue", "Redis", Severity.CRITICAL, "1")
LOOKOUTS = 4


def all_at_once(registry: Flask, work: Callable[[], object]) -> None:
    def one(_number: int) -> None:
        with registry.app_context():
            work()

    db.session.commit()
    with ThreadPoolExecutor(LOOKOUTS) as pool:
        list(pool.map(one, range(LOOKOUTS)))
    db.session.expire_all()


def test_one_alert_and_one_message_whoever_was_first(registry: Flask):
    now = utc_now()
    with receiving() as receiver:
        address = f"http://{receiver.address}/pesan"
        channel, _ = channels.create_channel(name="Jaga", kind="webhook", address=address, by=BY)
        number = channel.id
        for _ in range(3):
            all_at_once(registry, lambda: alerts.reconcile([FINDING], now))
        assert len(db.session.scalars(select(Alert)).all()) == 1
        for step in range(3):
            later = now + timedelta(seconds=step)
            all_at_once(registry, lambda at=later: deliveries.deliver(number, at))
        assert len(receiver.requests) == 1
        all_at_once(registry, lambda: alerts.reconcile([], now))
        all_at_once(registry, lambda: deliveries.deliver(number, now))
        assert len(receiver.requests) == 2
    events = [one.event.value for one in db.session.scalars(select(Delivery).order_by(Delivery.id))]
    assert events == ["raised", "ended"]
