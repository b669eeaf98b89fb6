"""`siappakai release`: what the source offers, and what is pinned of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import click

from siappakai.cli.command import Group
from siappakai.cli.context import actor, settings
from siappakai.cli.output import Column, Listing
from siappakai.models import Release
from siappakai.services import releases, sources
from siappakai.services.releases import AvailableRelease
from siappakai.services.sources import SourceStatus

_CONFIGURED, _STAND_IN = "configured", "stand-in"


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A release of OpenSID pinned to a commit."""

    version: Annotated[str, Column("Rilis", "its tag")]
    commit: Annotated[str, Column("Commit", "the commit it is pinned to", is_listed=False)]
    source: Annotated[str, Column("Sumber", "where it came from", is_listed=False)]
    stand_in: Annotated[bool, Column("Peraga", "whether it is the stand-in app")]
    schema_version: Annotated[str, Column("Skema", "the `migrasi` row it leaves")]
    php_versions: Annotated[list[str], Column("PHP", "PHP versions it was seen working on")]
    released_at: Annotated[datetime | None, Column("Terbit", "when it was released")]
    pinned_at: Annotated[datetime, Column("Disematkan", "when it was pinned", is_listed=False)]


@dataclass(frozen=True, slots=True)
class AvailableRecord:
    """A release the source offers."""

    version: Annotated[str, Column("Rilis", "its tag")]
    commit: Annotated[str, Column("Commit", "the commit its tag names now")]
    pinned: Annotated[bool, Column("Tersemat", "whether it is pinned here")]
    moved: Annotated[bool, Column("Berpindah", "whether its tag moved since it was pinned")]


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """The source in use."""

    source: Annotated[str, Column("Sumber", "URL or path")]
    stand_in: Annotated[bool, Column("Peraga", "whether the stand-in app is in use")]
    reason: Annotated[str, Column("Sebab", "why it is not the configured source")]


release = Group("release", help="Choose, pin and list releases of OpenSID.")


@release.command("available", example="siappakai release available")
def list_available() -> Listing[AvailableRecord]:
    """Ask the source which releases it offers, newest first."""
    return Listing.of(_available(one) for one in releases.list_available(by=actor()))


@release.command("list", example="siappakai release list --json")
def list_releases() -> Listing[ReleaseRecord]:
    """List the pinned releases, newest first."""
    return Listing.of(_record(one) for one in releases.list_releases())


@release.command("show", example="siappakai release show v2410.0.0")
@click.argument("version")
def show_release(version: str) -> ReleaseRecord:
    """Show a pinned release."""
    return _record(releases.get_release(version))


@release.command("pin", example="siappakai release pin v2410.0.0")
@click.argument("version")
def pin_release(version: str) -> ReleaseRecord:
    """Fetch a release and write down its commit; a second time changes nothing."""
    return _record(releases.pin_release(version, by=actor()))


@release.command("php-seen", changes=True, example="siappakai release php-seen v2410.0.0 8.3")
@click.argument("version")
@click.argument("php")
def record_php_seen(version: str, php: str) -> ReleaseRecord:
    """Note that a release was seen working on a PHP version; it may be installed there then."""
    return _record(releases.record_php_seen(version, php, by=actor()))


@release.command("source", example="siappakai release source --use stand-in")
@click.option(
    "--use",
    type=click.Choice([_CONFIGURED, _STAND_IN]),
    help="Switch to the configured source or to the stand-in app.",
)
def show_source(use: str | None) -> SourceRecord:
    """Show which source releases come from, or switch it."""
    if use is None:
        return _source(sources.source_status())
    return _source(sources.use_source(settings(), stand_in=use == _STAND_IN, by=actor()))


def _record(found: Release) -> ReleaseRecord:
    return ReleaseRecord(
        version=found.version,
        commit=found.commit,
        source=found.source,
        stand_in=found.stand_in,
        schema_version=found.schema_version,
        php_versions=list(found.php_versions),
        released_at=found.released_at,
        pinned_at=found.pinned_at,
    )


def _available(found: AvailableRelease) -> AvailableRecord:
    return AvailableRecord(found.version, found.commit, found.pinned, found.moved)


def _source(status: SourceStatus) -> SourceRecord:
    return SourceRecord(status.source, status.stand_in, status.reason)
