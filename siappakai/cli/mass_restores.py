"""`siappakai backup restore-many`: many villages that run, brought back by one command."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any, Final, TextIO

import click

from siappakai.cli.asking import typed_count
from siappakai.cli.context import actor
from siappakai.cli.following import EXIT_CODES, follow_option, follow_run
from siappakai.cli.output import Column, Ended, Listing, note
from siappakai.cli.restores import backup as backup  # noqa: PLC0414 - given on, with its commands
from siappakai.cli.selection import selection_options, sites_selected
from siappakai.domain.codes import dotted
from siappakai.models import Run, Site, Target, db
from siappakai.services import backups, mass_restores, sites

_FAILED: Final = 10
# Turns that are opened while one is restored: what is opened lies on this machine.
_AHEAD: Final = 1
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class RestoredRecord:
    """What became of one village."""

    code: Annotated[str, Column("Kode", "kode desa, dotted")]
    village: Annotated[str, Column("Desa", "its name")]
    run: Annotated[int | None, Column("Pekerjaan", "number of the run; none was asked for")]
    state: Annotated[str, Column("Keadaan", "state of its share of the run (RunState)")]
    message: Annotated[str, Column("Pesan", "what went wrong, if anything did")]


@backup.command(
    "restore-many",
    example="siappakai backup restore-many --server kota --count 12 --key-file kunci.txt --follow",
)
@selection_options
@click.option("--all", "is_all", is_flag=True, help="All sites of the fleet.")
@click.option(
    "--key-file",
    type=click.File("r"),
    required=True,
    help="File with the recovery key, or - for standard input. It is kept nowhere.",
)
@click.option("--count", type=int, help="How many villages are restored; asked for otherwise.")
@follow_option
def restore_many(
    *, is_all: bool, key_file: TextIO, count: int | None, follow: bool, **selection: Any
) -> Ended[Listing[RestoredRecord]]:
    """Bring back villages that run, each from its newest backup; one run per server and ten.

    What ran before is kept some days: backup undo. A village of which it fails stops no other, and
    keeps what it has; the same command for those that failed goes on.
    """
    chosen = sites.get_sites(backups.all_site_ids()) if is_all else sites_selected(**selection)
    names = ", ".join(one.village.name for one in chosen[:_NAMED])
    more = f" dan {len(chosen) - _NAMED} lainnya" * (len(chosen) > _NAMED)
    counted = typed_count(f"Yang diganti: {names}{more}. Ketik jumlahnya", count, len(chosen))
    turns = mass_restores.restore_newest(
        chosen, identity=key_file.read(), confirmed_count=counted, by=actor()
    )
    asked, worst, waiting = [], 0, deque[Run]()
    for turn in turns:
        asked.append(turn)
        for problem in turn.problems.values():
            note(problem)
        waiting.extend(turn.runs)
        while follow and len(waiting) > _AHEAD:
            worst = max(worst, EXIT_CODES[follow_run(waiting.popleft().id)])
    while follow and waiting:
        worst = max(worst, EXIT_CODES[follow_run(waiting.popleft().id)])
    has_problems = any(turn.problems for turn in asked)
    records = Listing.of(_record(turn, site) for turn in asked for site in turn.sites)
    return Ended(records, max(worst, _FAILED * has_problems))


def _record(turn: mass_restores.Turn, site: Site) -> RestoredRecord:
    code, name = dotted(site.village.code), site.village.name
    if site.id in turn.problems:
        return RestoredRecord(code, name, None, "failed", turn.problems[site.id])
    found = next(t for run in turn.runs for t in run.targets if t.site_id == site.id)
    target = db.session.get_one(Target, found.id, populate_existing=True)
    return RestoredRecord(code, name, target.run_id, target.state.value, target.message)
