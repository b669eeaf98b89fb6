"""The command line: the same nouns and verbs as the services, and nothing but them."""

from __future__ import annotations

import click

from siappakai import __version__
from siappakai.cli.command import Root

# Where each command is; a noun's module is loaded when it is used.
_PLACES = {
    "alert": "siappakai.cli.alerts:alert",
    "audit": "siappakai.cli.audit:audit",
    "backup": "siappakai.cli.backup_exports:backup",
    "channel": "siappakai.cli.channels:channel",
    "demo": "siappakai.cli.demo:demo",
    "doctor": "siappakai.cli.health:doctor",
    "gabungan": "siappakai.cli.extracts:gabungan",
    "kit": "siappakai.cli.recovery:kit",
    "recover": "siappakai.cli.recovery:recover",
    "regency": "siappakai.cli.places:regency",
    "registry": "siappakai.cli.registry:registry",
    "release": "siappakai.cli.releases:release",
    "run": "siappakai.cli.runs:run",
    "schedule": "siappakai.cli.schedules:schedule",
    "server": "siappakai.cli.enrolment:server",
    "service": "siappakai.cli.service:service",
    "settings": "siappakai.cli.settings:settings",
    "setup": "siappakai.cli.setup:setup",
    "site": "siappakai.cli.sites:site",
    "store": "siappakai.cli.store_changes:store",
    "token": "siappakai.cli.tokens:token",
    "user": "siappakai.cli.accounts:user",
    "village": "siappakai.cli.imports:village",
}


@click.group(cls=Root, places=_PLACES)
@click.version_option(__version__, prog_name="siappakai")
def main() -> None:
    """Install and look after OpenSID for all villages of a regency.

    Exit codes, JSON and shell completion are described in docs/cli.md.
    """
