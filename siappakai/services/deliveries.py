"""Messages on their way: claimed, sent, tried again, given up.

A message is claimed before it is sent and its end is written after: of two senders at once one
gets it. A sender that dies in between leaves it `sending`; it is tried again after its pause,
so that it may arrive twice, but never gets lost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from siappakai.credentials import load_key_ring
from siappakai.domain.alert_texts import TEST_MESSAGE, Message, compose
from siappakai.domain.alerts import PENDING, AlertEvent, DeliveryState, next_try
from siappakai.errors import SiapPakaiError
from siappakai.gateways.notify import NotSentError, Webhook, send_apprise, send_webhook
from siappakai.models import Alert, Delivery, db, registry_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services.alerts import indonesian_story
from siappakai.services.announcing import may_speak_at
from siappakai.wording import say

# Longer than a sender is let live.
_CLAIM: Final = timedelta(seconds=90)
_ROUND_SECONDS: Final = 30.0
_HUNG: Final = say("Tidak selesai pada waktunya: saluran menggantung, atau pengirimnya terhenti.")


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send a message once; `attempt` tells it from later ones."""

    delivery_id: int
    attempt: int
    address_sealed: str
    secret_sealed: str
    message: Message
    payload: dict[str, Any]


def due_channels(now: datetime | None = None) -> list[int]:
    """Return the channels that have something to send now."""
    now = now or registry_now(db.session())
    query = (
        select(Delivery.channel_id)
        .where(Delivery.state.in_(PENDING), Delivery.next_try_at <= now)
        .distinct()
    )
    return sorted(db.session.scalars(query))


def deliver(channel_id: int, now: datetime | None = None) -> None:
    """Send what is due on a channel until one message fails; the others then have their turn.

    It ends after a while with some unsent, before the lookout would cut it off in mid-message.
    """
    has_arrived, until = True, time.monotonic() + _ROUND_SECONDS
    while has_arrived and time.monotonic() < until:
        claim = _next_claim(channel_id, now)
        if claim is None:
            return
        has_arrived = _send(claim, now)


def _next_claim(channel_id: int, now: datetime | None) -> Claim | None:
    with transaction() as session:
        at = now or registry_now(session)
        due = session.scalars(
            select(Delivery)
            .where(Delivery.channel_id == channel_id, Delivery.state.in_(PENDING))
            .where(Delivery.next_try_at <= at)
            .order_by(Delivery.id)
            .with_for_update()
        )
        for delivery in due:
            if _is_ready(delivery, at):
                return _claim(session, delivery, at)
        return None


def _is_ready(delivery: Delivery, now: datetime) -> bool:
    """Tell whether a due message may go out; one that may not is put where it belongs."""
    if delivery.state is DeliveryState.SENDING:
        delivery.reason = _HUNG
        if delivery.event is AlertEvent.TEST or next_try(delivery.attempts, now) is None:
            delivery.state, delivery.next_try_at = DeliveryState.GIVEN_UP, None
            return False
    allowed = may_speak_at(delivery.channel, delivery, now)
    if allowed > now:
        delivery.next_try_at = allowed
        return False
    return True


def _claim(session: Session, delivery: Delivery, now: datetime) -> Claim:
    delivery.state = DeliveryState.SENDING
    delivery.attempts += 1
    pause = next_try(delivery.attempts, now) or now
    delivery.next_try_at = max(pause, now + _CLAIM)
    session.flush()
    message = _message(delivery)
    channel = delivery.channel
    return Claim(
        delivery.id,
        delivery.attempts,
        channel.address_sealed,
        channel.secret_sealed,
        message,
        _payload(delivery, message),
    )


def _send(claim: Claim, now: datetime | None) -> bool:
    """Try once; tell whether the message arrived."""
    try:
        _hand_over(claim, now or registry_now(db.session()))
    except (NotSentError, SiapPakaiError) as error:
        _settle(claim, now, error.told)
        return False
    _settle(claim, now)
    return True


def _hand_over(claim: Claim, now: datetime) -> None:
    # No transaction may stay open while a channel keeps us waiting.
    db.session.commit()
    ring = load_key_ring(current_settings().credentials_file)
    address = ring.unseal(claim.address_sealed)
    if not claim.secret_sealed:
        send_apprise(address, claim.message)
        return
    hook = Webhook(address, ring.unseal(claim.secret_sealed))
    timestamp = int(now.timestamp())
    send_webhook(hook, claim.payload, delivery=claim.delivery_id, timestamp=timestamp)


def _settle(claim: Claim, now: datetime | None, reason: str = "") -> None:
    """Write how a try ended, unless another one has begun meanwhile."""
    with transaction() as session:
        at = now or registry_now(session)
        delivery = session.get_one(Delivery, claim.delivery_id, with_for_update=True)
        if delivery.attempts != claim.attempt:
            return
        delivery.reason = reason
        if not reason:
            delivery.state, delivery.sent_at, delivery.next_try_at = DeliveryState.SENT, at, None
        elif delivery.state is not DeliveryState.DROPPED:
            is_test = delivery.event is AlertEvent.TEST
            again = None if is_test else next_try(delivery.attempts, at)
            delivery.state = DeliveryState.FAILED if again else DeliveryState.GIVEN_UP
            delivery.next_try_at = again


def _message(delivery: Delivery) -> Message:
    alert = delivery.alert
    if alert is None:
        return TEST_MESSAGE
    return compose(delivery.event, delivery.severity, indonesian_story(alert), alert.id)


def _payload(delivery: Delivery, message: Message) -> dict[str, Any]:
    """Return what a webhook is sent; docs/operations.md describes it."""
    alert = delivery.alert
    return {
        "delivery": delivery.id,
        "event": delivery.event.value,
        "severity": delivery.severity.value,
        "title": message.title,
        "text": message.body,
        "alert": None if alert is None else _alert_payload(alert),
    }


def _alert_payload(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "kind": alert.kind.value,
        "subject": alert.subject,
        "label": alert.label,
        "count": alert.count,
        "raised_at": alert.raised_at.isoformat(),
        "ended_at": alert.ended_at.isoformat() if alert.ended_at else None,
    }
