"""Which channels are told of an alert, and when each may speak."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from siappakai.domain.alerts import (
    PENDING,
    AlertEvent,
    DeliveryState,
    QuietHours,
    parse_clock_time,
    speaks_at,
)
from siappakai.models import Alert, Channel, Delivery
from siappakai.services import settings


def announce(session: Session, alert: Alert, event: AlertEvent, now: datetime) -> None:
    """Queue a message about an alert for every channel that wants one this severe."""
    for channel in open_channels(session):
        if alert.severity.rank >= channel.least_severity.rank:
            _queue(session, alert, channel, event, now)


def announce_end(session: Session, alert: Alert, now: datetime) -> None:
    """Tell those who were told of an alert that it ended; what was not sent yet is dropped."""
    told = set()
    for delivery in session.scalars(select(Delivery).where(Delivery.alert_id == alert.id)):
        # One that is on its way may arrive.
        if delivery.state in {DeliveryState.SENT, DeliveryState.SENDING}:
            told.add(delivery.channel_id)
    drop(pending(session, Delivery.alert_id == alert.id))
    for channel in open_channels(session):
        if channel.id in told:
            _queue(session, alert, channel, AlertEvent.ENDED, now)


def open_channels(session: Session) -> list[Channel]:
    """Return the channels that are in use."""
    query = select(Channel).where(Channel.is_enabled, Channel.removed_at.is_(None))
    return list(session.scalars(query.order_by(Channel.id)))


def pending(session: Session, *conditions: object) -> list[Delivery]:
    """Return the messages still to be sent of which `conditions` hold."""
    query = select(Delivery).where(Delivery.state.in_(PENDING), *conditions)  # type: ignore[arg-type] # SQLAlchemy's column expressions
    return list(session.scalars(query))


def drop(deliveries: Iterable[Delivery]) -> None:
    """Note that messages are not needed any more."""
    for delivery in deliveries:
        delivery.state, delivery.next_try_at = DeliveryState.DROPPED, None


def may_speak_at(channel: Channel, delivery: Delivery, now: datetime) -> datetime:
    """Return when a channel may say this; a test, which somebody waits for, at once."""
    if delivery.event is AlertEvent.TEST:
        return now
    # That something is over wakes nobody.
    passes = channel.critical_passes and delivery.event is AlertEvent.RAISED
    return speaks_at(now, delivery.severity, _quiet_hours(channel), critical_passes=passes)


def _quiet_hours(channel: Channel) -> QuietHours | None:
    if not channel.quiet_from:
        return None
    return QuietHours(
        parse_clock_time(channel.quiet_from, "quiet_from"),
        parse_clock_time(channel.quiet_until, "quiet_until"),
        ZoneInfo(settings.get(settings.TIMEZONE)),
    )


def _queue(
    session: Session, alert: Alert, channel: Channel, event: AlertEvent, now: datetime
) -> None:
    delivery = Delivery(
        alert_id=alert.id, channel_id=channel.id, event=event, severity=alert.severity
    )
    delivery.next_try_at = may_speak_at(channel, delivery, now)
    delivery.created_at = now
    session.add(delivery)
