"""`siappakai alert`: what is wrong, and who looks after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import click

from siappakai.cli.command import Group
from siappakai.cli.context import actor
from siappakai.cli.output import Column, Listing, listing
from siappakai.cli.paging import page_options
from siappakai.domain.alerts import AlertState, Severity
from siappakai.errors import InvalidInputError
from siappakai.models import Alert, Delivery
from siappakai.services import alerts, channels

_LENGTH = 50
_SEVERITIES = click.Choice([one.value for one in Severity])
_STATES = click.Choice([one.value for one in AlertState])


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """Something wrong with one subject, from when it was raised until its cause is gone."""

    id: Annotated[int, Column("Nomor", "its number")]
    severity: Annotated[str, Column("Kegentingan", "info, warning or critical")]
    state: Annotated[str, Column("Keadaan", "open, acknowledged or ended")]
    kind: Annotated[str, Column("Jenis", "stable key of what is wrong", is_listed=False)]
    subject: Annotated[str, Column("Sasaran", "stable key of whose it is", is_listed=False)]
    title: Annotated[str, Column("Peringatan", "what happened, in a sentence")]
    count: Annotated[int, Column("Kali", "how often it was seen to happen")]
    raised_at: Annotated[datetime, Column("Sejak", "when it was raised")]
    last_seen_at: Annotated[
        datetime, Column("Terlihat", "when it was last seen to be so", is_listed=False)
    ]
    acknowledged_by: Annotated[str, Column("Diketahui", "who took note of it; empty for nobody")]
    acknowledged_at: Annotated[datetime | None, Column("Pada", "when", is_listed=False)]
    ended_at: Annotated[
        datetime | None, Column("Berakhir", "when its cause was gone", is_listed=False)
    ]


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One message to one channel."""

    id: Annotated[int, Column("Nomor", "its number, as webhooks are told")]
    channel: Annotated[str, Column("Saluran", "name of the channel")]
    alert: Annotated[int | None, Column("Peringatan", "number of the alert; null for a test")]
    event: Annotated[str, Column("Perihal", "raised, ended or test")]
    state: Annotated[str, Column("Keadaan", "queued, sending, sent, failed, given_up or dropped")]
    attempts: Annotated[int, Column("Percobaan", "how often it was tried")]
    reason: Annotated[str, Column("Sebab", "why the last try failed")]
    next_try_at: Annotated[datetime | None, Column("Berikutnya", "when it is tried (again)")]
    sent_at: Annotated[datetime | None, Column("Terkirim", "when it arrived")]


@dataclass(frozen=True, slots=True)
class AlertDetail:
    """An alert with what it means, what to do, and the messages about it."""

    alert: Annotated[AlertRecord, Column("Peringatan", "the alert")]
    meaning: Annotated[str, Column("Artinya", "what it means")]
    todo: Annotated[str, Column("Tindakan", "what to do now")]
    deliveries: Annotated[list[DeliveryRecord], Column("Pesan", "messages, newest first")]


alert = Group("alert", help="What is wrong, and who looks after it.")


@alert.command("list", example="siappakai alert list --state open --severity critical")
@click.option("--state", type=_STATES, help="Only alerts in this state.")
@click.option("--severity", type=_SEVERITIES, help="Only alerts this severe.")
@page_options(per_page=_LENGTH)
def list_alerts(
    *, state: str | None, severity: str | None, page: int, per_page: int
) -> Listing[AlertRecord]:
    """List alerts, newest first; with --state open or acknowledged, worst first."""
    found = alerts.list_alerts(
        state=AlertState(state) if state else None,
        severity=_severity(severity),
        page=page,
        per_page=per_page,
    )
    return listing(found, _record)


@alert.command("show", example="siappakai alert show 12")
@click.argument("number", type=int)
def show_alert(number: int) -> AlertDetail:
    """Show one alert, what it means, what to do, and who was told."""
    found = alerts.get_alert(number)
    story = alerts.indonesian_story(found)
    told = channels.deliveries_of(alert=found, per_page=_LENGTH)
    messages = [delivery_record(one) for one in told.items]
    return AlertDetail(_record(found), story.meaning, story.todo, messages)


@alert.command("acknowledge", changes=True, example="siappakai alert acknowledge 12")
@click.argument("numbers", type=int, nargs=-1, metavar="[NUMBER]...")
@click.option("--all", "everything", is_flag=True, help="Every open alert.")
@click.option("--severity", type=_SEVERITIES, help="With --all: only those this severe.")
def acknowledge(
    numbers: tuple[int, ...], *, everything: bool, severity: str | None
) -> Listing[AlertRecord]:
    """Take note of alerts: you know of them and look after them."""
    if everything is bool(numbers) or (severity and not everything):
        raise InvalidInputError(
            "Peringatan yang dimaksud belum jelas.", "Sebut nomornya, atau --all.", field="numbers"
        )
    if not everything:
        found = [alerts.acknowledge(number, by=actor()) for number in numbers]
        return Listing.of(_record(one) for one in found)
    done = alerts.acknowledge_all(severity=_severity(severity), by=actor())
    return Listing.of(_record(one) for one in done)


def _severity(text: str | None) -> Severity | None:
    return Severity(text) if text else None


def _record(found: Alert) -> AlertRecord:
    return AlertRecord(
        id=found.id,
        severity=found.severity.value,
        state=found.state.value,
        kind=found.kind.value,
        subject=found.subject,
        title=alerts.indonesian_story(found).title,
        count=found.count,
        raised_at=found.raised_at,
        last_seen_at=found.last_seen_at,
        acknowledged_by=found.acknowledged_by,
        acknowledged_at=found.acknowledged_at,
        ended_at=found.ended_at,
    )


def delivery_record(one: Delivery) -> DeliveryRecord:
    """Return a message as commands print it."""
    return DeliveryRecord(
        id=one.id,
        channel=one.channel.name,
        alert=one.alert_id,
        event=one.event.value,
        state=one.state.value,
        attempts=one.attempts,
        reason=one.reason,
        next_try_at=one.next_try_at,
        sent_at=one.sent_at,
    )
