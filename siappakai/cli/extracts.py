"""`siappakai gabungan extract`: one village out of a gabungan, as a database of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import click

from siappakai.cli.context import actor
from siappakai.cli.following import follow_run
from siappakai.cli.gabungan import gabungan
from siappakai.cli.output import Column
from siappakai.cli.servers import server_named
from siappakai.domain.states import RunState
from siappakai.errors import InvalidInputError, RefusedError
from siappakai.models import Target, db
from siappakai.services import exports, extracts, runs, villages
from siappakai.services.extracts import Foreign


@dataclass(frozen=True, slots=True)
class ExtractReport:
    """A village's archive that was written."""

    file: Annotated[str, Column("Berkas", "its path")]
    size: Annotated[int, Column("Ukuran", "its size in bytes")]
    residents: Annotated[int, Column("Penduduk", "residents as OpenKab counts them")]
    rows: Annotated[int, Column("Baris", "rows of all tables")]
    missing: Annotated[
        dict[str, str], Column("Tidak lengkap", "groups and tables that are not there, and why")
    ]
    left: Annotated[
        dict[str, int], Column("Tertinggal", "tables nobody has explained, with their rows")
    ]
    quality: Annotated[
        list[str], Column("Mutu data", "what pointed at nothing, or stood twice", is_listed=False)
    ]


@gabungan.command(
    "extract", example="siappakai gabungan extract 51.02.01.2001 desa.zip --incomplete"
)
@click.argument("code")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.option("--incomplete", is_flag=True, help="Although not all of it is there; it says so.")
@click.option("--server", "server_name", help="With --database: the server that has it.")
@click.option("--database", help="Out of this database, which several villages write live.")
def extract(
    code: str, file: Path, *, incomplete: bool, server_name: str | None, database: str | None
) -> ExtractReport:
    """Write a village's own database, rebuilt out of the gabungan and proven, to a zip file.

    Its rows have the numbers they had in the village. Key, password and codes are new; the file
    tells them, and only its owner can read it. The worker must run on this machine.
    """
    if (server_name is None) != (database is None):
        raise InvalidInputError(
            "Basis data asing disebut dengan servernya.",
            "Sebutkan --server dan --database, atau tidak keduanya.",
            field="database",
        )
    foreign = Foreign(server_named(server_name), database) if server_name and database else None
    village = villages.get_village(code)
    run = extracts.request(village, is_incomplete=incomplete, foreign=foreign, by=actor())
    state = follow_run(run.id)
    run = runs.get_run(run.id)
    target = db.session.get_one(Target, run.targets[0].id, populate_existing=True)
    if state is not RunState.SUCCEEDED:
        raise RefusedError(
            f"Pekerjaan {run.id} tidak berhasil: {target.message}",
            f"Lihat: siappakai run show {run.id}",
        )
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        os.fchmod(descriptor, 0o600)
        size = exports.deliver(run, village.code, opened, by=actor())
    told = target.result
    return ExtractReport(
        file=str(file),
        size=size,
        residents=told.get("residents", 0),
        rows=told.get("rows", 0),
        missing=told.get("missing", {}),
        left=told.get("left", {}),
        quality=told.get("quality", []),
    )
