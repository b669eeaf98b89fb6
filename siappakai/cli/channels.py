"""`siappakai channel`: where alerts are sent. Addresses come by standard input, never as words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import click

from siappakai.cli.alerts import DeliveryRecord, delivery_record
from siappakai.cli.asking import address, address_stdin_option, agree, yes_option
from siappakai.cli.command import Group
from siappakai.cli.context import actor, is_rehearsal
from siappakai.cli.output import Column, Ended, Listing, listing
from siappakai.cli.paging import page_options
from siappakai.domain.alerts import DeliveryState, Severity
from siappakai.errors import NotFoundError
from siappakai.models import Channel, Delivery, db
from siappakai.services import channels, deliveries
from siappakai.services.channels import Wishes

F = TypeVar("F", bound=Callable[..., Any])

_NOT_SENT = 1
_LENGTH = 20
_SEVERITIES = click.Choice([one.value for one in Severity])


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """Where alerts are sent; of its address only the scheme is ever shown."""

    name: Annotated[str, Column("Saluran", "its name")]
    kind: Annotated[str, Column("Jenis", "apprise or webhook")]
    scheme: Annotated[str, Column("Alamat", "scheme of its address, such as tgram")]
    is_enabled: Annotated[bool, Column("Aktif", "whether anything is sent to it")]
    least_severity: Annotated[str, Column("Mulai dari", "the least severe it is told of")]
    quiet_from: Annotated[str, Column("Tenang mulai", "HH:MM in the regency's zone, or empty")]
    quiet_until: Annotated[str, Column("Tenang selesai", "HH:MM in the regency's zone, or empty")]
    critical_passes: Annotated[
        bool, Column("Genting lewat", "whether what is critical is sent in quiet hours too")
    ]


@dataclass(frozen=True, slots=True)
class NewChannel:
    """A channel that was added. Its secret cannot be shown again."""

    name: Annotated[str, Column("Saluran", "its name")]
    signing_key: Annotated[
        str | None, Column("Kunci webhook", "in clear, for the receiver; null unless a webhook")
    ]


@dataclass(frozen=True, slots=True)
class RemovedChannel:
    """The channel that was removed."""

    name: Annotated[str, Column("Saluran", "its name until now")]


channel = Group("channel", help="Where alerts are sent.")


def _wishes_options(function: F) -> F:
    """Add the options that say when a channel speaks."""
    for option in (
        click.option(
            "--critical-passes/--critical-waits",
            default=None,
            help="Whether what is critical is sent in quiet hours too.",
        ),
        click.option("--quiet-until", help="When quiet hours end, HH:MM; empty for none."),
        click.option("--quiet-from", help="When quiet hours begin, HH:MM; empty for none."),
        click.option(
            "--severity", "least_severity", type=_SEVERITIES, help="The least severe to tell of."
        ),
    ):
        function = option(function)
    return function


@channel.command("list", example="siappakai channel list")
def list_channels() -> Listing[ChannelRecord]:
    """List the channels by name."""
    return Listing.of(_record(one) for one in channels.list_channels())


@channel.command("show", example='siappakai channel show "Tim TI"')
@click.argument("name")
def show_channel(name: str) -> ChannelRecord:
    """Show one channel."""
    return _record(_named(name))


@channel.command("messages", example='siappakai channel messages "Tim TI"')
@click.argument("name")
@page_options(per_page=_LENGTH)
def list_messages(name: str, *, page: int, per_page: int) -> Listing[DeliveryRecord]:
    """List what was sent to a channel, newest first."""
    found = channels.deliveries_of(channel=_named(name), page=page, per_page=per_page)
    return listing(found, delivery_record)


@channel.command(
    "add", changes=True, example='siappakai channel add "Tim TI" --address-stdin --severity warning'
)
@click.argument("name")
@click.option(
    "--webhook", is_flag=True, help="The address takes signed webhooks; it is no Apprise URL."
)
@address_stdin_option
@_wishes_options
def create_channel(name: str, *, webhook: bool, address_stdin: bool, **given: Any) -> NewChannel:
    """Add a channel: an Apprise URL (tgram://, mailtos:// …) or a webhook's address."""
    made, secret = channels.create_channel(
        name=name,
        kind=channels.WEBHOOK if webhook else channels.APPRISE,
        address=address("Alamat", from_stdin=address_stdin),
        wishes=_wishes(channels.STANDARD, given),
        by=actor(),
    )
    return NewChannel(made.name, secret or None)


@channel.command(
    "update",
    changes=True,
    example='siappakai channel update "Tim TI" --quiet-from 22:00 --quiet-until 06:00',
)
@click.argument("name")
@click.option("--name", "new_name", help="Its new name.")
@address_stdin_option
@_wishes_options
def update_channel(
    name: str, *, new_name: str | None, address_stdin: bool, **given: Any
) -> ChannelRecord:
    """Change what is given; the rest stays, the address too unless it is sent."""
    found = _named(name)
    present = Wishes(
        found.least_severity, found.quiet_from, found.quiet_until, found.critical_passes
    )
    changed = channels.update_channel(
        found.id,
        name=new_name,
        address=address("Alamat", from_stdin=True) if address_stdin else "",
        wishes=_wishes(present, given),
        by=actor(),
    )
    return _record(changed)


@channel.command("test", changes=True, example='siappakai channel test "Tim TI"')
@click.argument("name")
def send_test(name: str) -> Ended[DeliveryRecord]:
    """Send a test message now, and say whether it arrived; exit code 1 when it did not."""
    found = _named(name)
    queued = channels.request_test(found.id, by=actor())
    if is_rehearsal():
        return Ended(delivery_record(queued), 0)
    deliveries.deliver(found.id)
    ended = db.session.get_one(Delivery, queued.id, populate_existing=True)
    has_arrived = ended.state is DeliveryState.SENT
    return Ended(delivery_record(ended), 0 if has_arrived else _NOT_SENT)


@channel.command("renew-key", changes=True, example="siappakai channel renew-key Pusat --yes")
@click.argument("name")
@yes_option
def renew_secret(name: str, *, yes: bool) -> NewChannel:
    """Give a webhook a new signing key, shown once; the old one is worth nothing at once."""
    found = _named(name)
    agree(f"Ganti kunci webhook {name}?", yes=yes)
    return NewChannel(found.name, channels.renew_secret(found.id, by=actor()))


@channel.command("enable", changes=True, example='siappakai channel enable "Tim TI"')
@click.argument("name")
def enable_channel(name: str) -> ChannelRecord:
    """Open a closed channel again."""
    return _record(channels.set_enabled(_named(name).id, is_enabled=True, by=actor()))


@channel.command("disable", changes=True, example='siappakai channel disable "Tim TI"')
@click.argument("name")
def disable_channel(name: str) -> ChannelRecord:
    """Close a channel; what it had still to send is dropped."""
    return _record(channels.set_enabled(_named(name).id, is_enabled=False, by=actor()))


@channel.command("remove", changes=True, example='siappakai channel remove "Tim TI" --yes')
@click.argument("name")
@yes_option
def remove_channel(name: str, *, yes: bool) -> RemovedChannel:
    """Remove a channel with its secrets; the history of its messages stays."""
    found = _named(name)
    agree(f"Hapus saluran {name}?", yes=yes)
    channels.remove_channel(found.id, by=actor())
    return RemovedChannel(name)


def _wishes(present: Wishes, given: dict[str, Any]) -> Wishes:
    severity = given["least_severity"]

    def chosen(key: str) -> Any:
        return getattr(present, key) if given[key] is None else given[key]

    return Wishes(
        least_severity=Severity(severity) if severity else present.least_severity,
        quiet_from=chosen("quiet_from"),
        quiet_until=chosen("quiet_until"),
        critical_passes=chosen("critical_passes"),
    )


def _named(name: str) -> Channel:
    found = channels.find_channel(name)
    if found is None:
        raise NotFoundError(f"Saluran “{name}” tidak ada.", "Lihat: siappakai channel list.")
    return found


def _record(found: Channel) -> ChannelRecord:
    return ChannelRecord(
        name=found.name,
        kind=found.kind,
        scheme=found.scheme,
        is_enabled=found.is_enabled,
        least_severity=found.least_severity.value,
        quiet_from=found.quiet_from,
        quiet_until=found.quiet_until,
        critical_passes=found.critical_passes,
    )
