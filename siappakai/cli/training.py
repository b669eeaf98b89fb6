"""`siappakai village copy`: a village's backup as a site to train on."""

from __future__ import annotations

from typing import TextIO

import click

from siappakai.cli.adoptions import AdoptionReport, adoption_report
from siappakai.cli.context import actor
from siappakai.cli.following import EXIT_CODES, follow_option, follow_run
from siappakai.cli.output import Ended
from siappakai.cli.restores import backup_chosen
from siappakai.cli.servers import server_named
from siappakai.cli.villages import village as village  # noqa: PLC0414 - given on, with its command
from siappakai.services import runs, training, villages
from siappakai.services.training import Place


@village.command(
    "copy",
    example="siappakai village copy 51.02.01.2001 --as 51.02.01.2999 --domain latihan.desa.id"
    " --server server1 --key-file - --follow",
)
@click.argument("code")
@click.option("--as", "code_as", required=True, help="Code of the copy: nobody's, not official.")
@click.option("--name", default="", help="Name of the copy; tells whose copy it is unless given.")
@click.option("--domain", required=True, help="Domain of the copy's site.")
@click.option("--server", "server_name", required=True, help="Name of the server.")
@click.option("--id", "id_", type=int, help="Number of the backup; the newest unless given.")
@click.option(
    "--key-file",
    type=click.File("r"),
    required=True,
    help="File with the recovery key, or - for standard input. It is kept nowhere.",
)
@follow_option
def copy_village(
    code: str,
    *,
    code_as: str,
    name: str,
    domain: str,
    server_name: str,
    id_: int | None,
    key_file: TextIO,
    follow: bool,
) -> Ended[AdoptionReport]:
    """Make a training copy of a village out of one of its backups, as a site of its own.

    The copy has another identity, domain, key and passwords; what could reach or let in anybody is
    emptied, and it says on its pages what it is. It is never merged, nor backed up by itself. Its
    login: siappakai site password. The worker that makes it must run on this machine.
    """
    place = Place(code_as, name, server_named(server_name), domain)
    backup = backup_chosen(villages.get_village(code), id_)
    run = training.request(backup, place, identity=key_file.read(), by=actor())
    code_of_end = EXIT_CODES[follow_run(run.id)] if follow else 0
    return Ended(adoption_report(runs.get_run(run.id)), code_of_end)
