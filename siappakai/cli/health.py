"""`siappakai doctor`: is this installation well, and what is to be mended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import click

from siappakai.cli.command import Command
from siappakai.cli.output import Column, Ended, Listing
from siappakai.services import health
from siappakai.services.checks import Check

_UNWELL = 1


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """One thing that was looked at."""

    name: Annotated[str, Column("Pemeriksaan", "stable key of the check")]
    ok: Annotated[bool, Column("Baik", "whether it is well")]
    detail: Annotated[str, Column("Yang terlihat", "what was seen")]
    todo: Annotated[str, Column("Tindakan", "what to mend; empty when it is well")]


@click.command("doctor", cls=Command, example="siappakai doctor")
def doctor() -> Ended[Listing[CheckRecord]]:
    """Look at everything this installation needs, and say what to mend.

    Installation, registry, queue, clock, workers, disk, keys, playbooks, servers. Ends with
    exit code 1 when something is wrong.
    """
    found = health.checkup()
    exit_code = 0 if all(check.ok for check in found) else _UNWELL
    return Ended(Listing.of(_record(check) for check in found), exit_code)


def _record(check: Check) -> CheckRecord:
    return CheckRecord(check.name, check.ok, check.detail, check.todo)
