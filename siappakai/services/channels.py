"""Channels: where alerts are sent. Their addresses hold tokens: sealed, and never shown."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select

from siappakai.credentials import KeyRing, load_key_ring
from siappakai.domain.alerts import AlertEvent, Severity, parse_clock_time
from siappakai.domain.servers import check_name
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError
from siappakai.gateways.notify import check_apprise, check_webhook, scheme_of
from siappakai.models import Alert, Channel, Delivery, db, registry_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit
from siappakai.services.announcing import drop, pending
from siappakai.services.paging import Page, paginate
from siappakai.wording import say

APPRISE: Final = "apprise"
WEBHOOK: Final = "webhook"
KINDS: Final = (APPRISE, WEBHOOK)
_SECRET_BYTES: Final = 32
_NAME_LENGTH: Final = 60


@dataclass(frozen=True, slots=True)
class Wishes:
    """When a channel speaks. Quiet hours are HH:MM in the regency's zone, both empty for none."""

    least_severity: Severity = Severity.WARNING
    quiet_from: str = ""
    quiet_until: str = ""
    critical_passes: bool = True

    def checked(self) -> dict[str, Any]:
        """Return them as columns; raises InvalidInputError naming the field."""
        begin, end = self.quiet_from.strip(), self.quiet_until.strip()
        if bool(begin) != bool(end):
            raise InvalidInputError(
                say("Jam tenang belum lengkap."),
                say("Isi jam mulai dan jam selesai, atau kosongkan keduanya."),
                field="quiet_until" if begin else "quiet_from",
            )
        return {
            "least_severity": self.least_severity,
            "quiet_from": f"{parse_clock_time(begin, 'quiet_from'):%H:%M}" if begin else "",
            "quiet_until": f"{parse_clock_time(end, 'quiet_until'):%H:%M}" if end else "",
            "critical_passes": self.critical_passes,
        }


STANDARD: Final = Wishes()


def list_channels() -> list[Channel]:
    """Return the channels by name, those removed left out."""
    query = select(Channel).where(Channel.removed_at.is_(None)).order_by(Channel.name)
    return list(db.session.scalars(query))


def get_channel(channel_id: int) -> Channel:
    """Return a channel; raises NotFoundError."""
    channel = db.session.get(Channel, channel_id)
    if channel is None or channel.removed_at is not None:
        raise NotFoundError(
            say("Saluran nomor %(channel_id)s tidak ada.", channel_id=channel_id),
            say("Pilih dari daftar saluran."),
        )
    return channel


def find_channel(name: str) -> Channel | None:
    """Return the channel called `name`, or None."""
    query = select(Channel).where(Channel.name == name, Channel.removed_at.is_(None))
    return db.session.scalar(query)


def latest_deliveries() -> dict[int, Delivery]:
    """Return the newest message of each channel."""
    newest = select(func.max(Delivery.id)).group_by(Delivery.channel_id)
    found = db.session.scalars(select(Delivery).where(Delivery.id.in_(newest)))
    return {delivery.channel_id: delivery for delivery in found}


def deliveries_of(
    *,
    alert: Alert | None = None,
    channel: Channel | None = None,
    page: int = 1,
    per_page: int = 20,
) -> Page[Delivery]:
    """Return the messages about an alert or of a channel, newest first."""
    query = select(Delivery).order_by(Delivery.id.desc())
    if alert is not None:
        query = query.where(Delivery.alert_id == alert.id)
    if channel is not None:
        query = query.where(Delivery.channel_id == channel.id)
    return paginate(query, lambda row: row[0], page=page, per_page=per_page)


def create_channel(
    *, name: str, kind: str, address: str, wishes: Wishes = STANDARD, by: str
) -> tuple[Channel, str]:
    """Add a channel; return it and a webhook's signing secret, which cannot be shown again.

    `address` is an Apprise URL or, for a webhook, where to post. The secret is empty for
    Apprise. Raises InvalidInputError naming the field, ConflictError for a name in use.
    """
    if kind not in KINDS:
        raise InvalidInputError(
            say("Jenis saluran “%(kind)s” tidak dikenal.", kind=kind),
            say("Pilih: %(choices)s.", choices=", ".join(KINDS)),
            field="kind",
        )
    address = _check_address(kind, address)
    secret = secrets.token_urlsafe(_SECRET_BYTES) if kind == WEBHOOK else ""
    channel = Channel(
        name=check_name(name), kind=kind, scheme=scheme_of(address), **wishes.checked()
    )
    with transaction() as session:
        _check_free(channel.name)
        # Read inside: whoever changes the key waits for this transaction or comes before it.
        ring = _ring()
        channel.address_sealed = ring.seal(address)
        channel.secret_sealed = ring.seal(secret) if secret else ""
        session.add(channel)
        audit.record("channel.create", channel.name, by=by, detail={"scheme": channel.scheme})
    return channel, secret


def update_channel(
    channel_id: int,
    *,
    name: str | None = None,
    address: str = "",
    wishes: Wishes | None = None,
    by: str,
) -> Channel:
    """Change what is given; an empty address keeps the one there is.

    Raises as create_channel does.
    """
    with transaction():
        channel = get_channel(channel_id)
        changes: dict[str, Any] = wishes.checked() if wishes is not None else {}
        if name is not None and name.strip() != channel.name:
            changes["name"] = check_name(name)
            _check_free(changes["name"])
        if address.strip():
            checked = _check_address(channel.kind, address)
            changes["scheme"], changes["address_sealed"] = scheme_of(checked), _ring().seal(checked)
        detail = {key: value for key, value in changes.items() if key != "address_sealed"}
        audit.record("channel.update", channel.name, by=by, detail=detail)
        for key, value in changes.items():
            setattr(channel, key, value)
        return channel


def renew_secret(channel_id: int, *, by: str) -> str:
    """Give a webhook a new signing secret and return it; the old one signs nothing any more.

    Raises ConflictError for a channel that is no webhook.
    """
    with transaction():
        channel = get_channel(channel_id)
        if channel.kind != WEBHOOK:
            raise ConflictError(
                say("Saluran ini tidak menandatangani pesan."),
                say("Hanya webhook yang punya kunci."),
            )
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        channel.secret_sealed = _ring().seal(secret)
        audit.record("channel.renew_secret", channel.name, by=by)
        return secret


def set_enabled(channel_id: int, *, is_enabled: bool, by: str) -> Channel:
    """Open or close a channel; what a closed one had still to send is dropped."""
    with transaction() as session:
        channel = get_channel(channel_id)
        if channel.is_enabled != is_enabled:
            channel.is_enabled = is_enabled
            if not is_enabled:
                drop(pending(session, Delivery.channel_id == channel.id))
            verb = "channel.enable" if is_enabled else "channel.disable"
            audit.record(verb, channel.name, by=by)
        return channel


def remove_channel(channel_id: int, *, by: str) -> None:
    """Take a channel out; its row stays for the history of its messages, its secrets do not."""
    with transaction() as session:
        channel = get_channel(channel_id)
        audit.record("channel.remove", channel.name, by=by, detail={"scheme": channel.scheme})
        drop(pending(session, Delivery.channel_id == channel.id))
        suffix = f" #{channel.id}"
        channel.name = channel.name[: _NAME_LENGTH - len(suffix)] + suffix
        channel.address_sealed = channel.secret_sealed = ""
        channel.is_enabled, channel.removed_at = False, registry_now(session)


def request_test(channel_id: int, *, by: str) -> Delivery:
    """Queue a trial message, quiet hours or not; the lookout sends it within seconds.

    Raises ConflictError while the channel is closed.
    """
    with transaction() as session:
        channel = get_channel(channel_id)
        if not channel.is_enabled:
            raise ConflictError(
                say("Saluran %(channel)s tertutup.", channel=channel.name),
                say("Buka saluran itu dahulu."),
            )
        now = registry_now(session)
        test = Delivery(
            channel=channel,
            event=AlertEvent.TEST,
            severity=Severity.INFO,
            next_try_at=now,
            created_at=now,
        )
        session.add(test)
        session.flush()
        audit.record("channel.test", channel.name, by=by)
        return test


def _check_address(kind: str, address: str) -> str:
    return check_webhook(address) if kind == WEBHOOK else check_apprise(address)


def _check_free(name: str) -> None:
    if db.session.scalar(select(Channel.id).where(Channel.name == name)) is not None:
        raise ConflictError(
            say("Nama saluran “%(name)s” sudah dipakai.", name=name), say("Pilih nama lain.")
        )


def _ring() -> KeyRing:
    return load_key_ring(current_settings().credentials_file)
