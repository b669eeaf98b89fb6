"""The command line: the same nouns and verbs as the services, and nothing but them."""

from __future__ import annotations

import click

from siappakai import __version__
from siappakai.cli.command import Root
from siappakai.cli.demo import demo
from siappakai.cli.releases import release
from siappakai.cli.runs import run
from siappakai.cli.servers import server
from siappakai.cli.sites import site
from siappakai.cli.villages import village


@click.group(cls=Root)
@click.version_option(__version__, prog_name="siappakai")
def main() -> None:
    """Install and look after OpenSID for all villages of a regency.

    Exit codes, JSON and shell completion are described in docs/cli.md.
    """


for _noun in (village, server, release, site, run, demo):
    main.add_command(_noun)
