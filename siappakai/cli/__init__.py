"""The command line: the same nouns and verbs as the services, and nothing but them."""

from __future__ import annotations

import click

from siappakai import __version__
from siappakai.cli import enrolment, imports
from siappakai.cli.accounts import user
from siappakai.cli.audit import audit
from siappakai.cli.command import Root
from siappakai.cli.demo import demo
from siappakai.cli.health import doctor
from siappakai.cli.places import regency
from siappakai.cli.registry import registry
from siappakai.cli.releases import release
from siappakai.cli.runs import run
from siappakai.cli.servers import server
from siappakai.cli.settings import settings
from siappakai.cli.sites import site
from siappakai.cli.villages import village

# These two add their commands to the nouns `server` and `village`.
__all__ = ["enrolment", "imports", "main"]


@click.group(cls=Root)
@click.version_option(__version__, prog_name="siappakai")
def main() -> None:
    """Install and look after OpenSID for all villages of a regency.

    Exit codes, JSON and shell completion are described in docs/cli.md.
    """


main.add_command(doctor)
for _noun in (regency, village, server, release, site, run, user, settings, audit, registry, demo):
    main.add_command(_noun)
