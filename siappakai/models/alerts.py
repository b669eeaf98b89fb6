"""Alerts, the channels that are told of them, and each message on its way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from siappakai.domain.alerts import AlertEvent, AlertKind, AlertState, DeliveryState, Severity
from siappakai.models.base import Base, KeptWording, state_column, utc_now


class Alert(Base):
    """Something wrong with one subject, from when it was raised until its cause is gone.

    `open_key` holds kind and subject until it ends, so that there is one at a time. `count` is
    how often it was seen to happen, `sighting` the last time's name. `params` fill its sentences.
    """

    __tablename__ = "alerts"
    __table_args__ = (Index("ix_alerts_ended_raised", "ended_at", "raised_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[AlertKind] = mapped_column(state_column(AlertKind))
    subject: Mapped[str] = mapped_column(String(80))
    label: Mapped[str] = mapped_column(String(255))
    severity: Mapped[Severity] = mapped_column(state_column(Severity))
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    sighting: Mapped[str] = mapped_column(String(80))
    open_key: Mapped[str | None] = mapped_column(String(120), unique=True)
    count: Mapped[int] = mapped_column(default=1)
    raised_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    acknowledged_by: Mapped[str] = mapped_column(String(80), default="")
    acknowledged_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    deliveries: Mapped[list[Delivery]] = relationship(
        back_populates="alert", order_by="Delivery.id"
    )

    @property
    def state(self) -> AlertState:
        if self.ended_at is not None:
            return AlertState.ENDED
        return AlertState.ACKNOWLEDGED if self.acknowledged_at else AlertState.OPEN


class Channel(Base):
    """A way to reach people. The `*_sealed` columns open with the key ring only.

    `kind` is `apprise` or `webhook`; `scheme` is all of the address that is ever shown.
    Quiet hours are times of day in the regency's zone (HH:MM), both empty for none.
    """

    __tablename__ = "alert_channels"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    kind: Mapped[str] = mapped_column(String(10))
    scheme: Mapped[str] = mapped_column(String(20))
    address_sealed: Mapped[str] = mapped_column(Text)
    secret_sealed: Mapped[str] = mapped_column(Text, default="")
    least_severity: Mapped[Severity] = mapped_column(
        state_column(Severity), default=Severity.WARNING
    )
    quiet_from: Mapped[str] = mapped_column(String(5), default="")
    quiet_until: Mapped[str] = mapped_column(String(5), default="")
    critical_passes: Mapped[bool] = mapped_column(default=True)
    is_enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    removed_at: Mapped[datetime | None]


class Delivery(Base):
    """One message to one channel. `next_try_at` is also the claim of whoever is sending it now."""

    __tablename__ = "alert_deliveries"
    __table_args__ = (
        Index("ix_alert_deliveries_channel_state", "channel_id", "state", "next_try_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alerts.id"), index=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("alert_channels.id"))
    event: Mapped[AlertEvent] = mapped_column(state_column(AlertEvent))
    severity: Mapped[Severity] = mapped_column(state_column(Severity))
    state: Mapped[DeliveryState] = mapped_column(
        state_column(DeliveryState), default=DeliveryState.QUEUED
    )
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(KeptWording, default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    sent_at: Mapped[datetime | None]

    alert: Mapped[Alert | None] = relationship(back_populates="deliveries")
    channel: Mapped[Channel] = relationship()
