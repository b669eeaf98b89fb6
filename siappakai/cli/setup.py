"""`siappakai setup`: what is still missing for the first village's site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import click

from siappakai.cli.command import Command
from siappakai.cli.output import Column, Listing
from siappakai.services import setup as steps
from siappakai.services.setup import Stage


@dataclass(frozen=True, slots=True)
class SetupRecord:
    """A step of setting up, in order."""

    step: Annotated[
        str, Column("Langkah", "regency, villages, server, prepare, release or install")
    ]
    done: Annotated[bool, Column("Selesai", "whether it is done")]
    seen: Annotated[str, Column("Yang ada", "what there is of it")]
    run: Annotated[int | None, Column("Pekerjaan", "number of the newest run about it")]
    command: Annotated[str, Column("Perintah", "what does it; its --help tells how")]


@click.command("setup", cls=Command, example="siappakai setup")
def setup() -> Listing[SetupRecord]:
    """Say what is done and what is missing for the first village's site, step by step.

    The panel leads administrators through the same steps until a site was installed.
    """
    return Listing.of(_record(stage) for stage in steps.stages())


def _record(stage: Stage) -> SetupRecord:
    return SetupRecord(
        step=stage.step.value,
        done=stage.is_done,
        seen=stage.seen,
        run=stage.run.id if stage.run else None,
        command=stage.command,
    )
