"""`siappakai village adopt`, and what `village export --village` does: moving in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, BinaryIO

import click

from siappakai.cli.context import actor
from siappakai.cli.following import EXIT_CODES, follow_option, follow_run
from siappakai.cli.output import Column, Ended
from siappakai.cli.selection import site_of
from siappakai.cli.servers import server_named
from siappakai.cli.villages import village
from siappakai.domain.states import RunState
from siappakai.errors import RefusedError
from siappakai.models import Run, Target, db
from siappakai.services import adoptions, exports, incoming, releases, runs, villages
from siappakai.services.adoptions import Wish


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """Something found in a village's data or files."""

    code: Annotated[str, Column("Temuan", "what was found, as a stable word")]
    blocks: Annotated[bool, Column("Menghalangi", "whether it forbids to move in")]
    what: Annotated[str, Column("Arti", "what that means")]


@dataclass(frozen=True, slots=True)
class AdoptionReport:
    """What a look at a village's files found, or what became of its move."""

    run: Annotated[int, Column("Pekerjaan", "number of the run")]
    state: Annotated[str, Column("Keadaan", "state of the run (RunState)")]
    message: Annotated[str, Column("Pesan", "what went wrong, if anything did")]
    name: Annotated[str | None, Column("Desa", "name of the village in its data")]
    app_version: Annotated[str | None, Column("Versi", "version its application wrote down")]
    schema_version: Annotated[str | None, Column("Skema", "newest migration in its data")]
    residents: Annotated[int | None, Column("Penduduk", "how many people its data holds")]
    files: Annotated[int | None, Column("Berkas", "how many files it brings")]
    findings: Annotated[list[FindingRecord], Column("Temuan", "what was found; what forbids first")]


@village.command(
    "adopt",
    example="siappakai village adopt 51.02.01.2001 --files desa.zip --database opensid.sql.gz"
    " --server server1 --domain bajera.desa.id --release v2410.0.0 --look --follow",
)
@click.argument("code")
@click.option(
    "--files",
    type=click.File("rb"),
    help="Archive of its folder desa/ (zip, tar.gz, tar.zst); the one sent last unless given.",
)
@click.option(
    "--database",
    type=click.File("rb"),
    help="Its SQL file (.sql, .sql.gz, zip); not needed when the archive holds it.",
)
@click.option("--server", "server_name", help="Name of the server; as planned unless given.")
@click.option("--domain", default="", help="Domain of the site; as planned unless given.")
@click.option("--release", "version", help="Version that fits its data; as planned unless given.")
@click.option("--php", help="PHP version; the server's first unless given.")
@click.option("--look", is_flag=True, help="Only look and report; install nothing.")
@follow_option
def adopt_village(
    code: str,
    *,
    files: BinaryIO | None,
    database: BinaryIO | None,
    server_name: str | None,
    domain: str,
    version: str | None,
    php: str | None,
    look: bool,
    follow: bool,
) -> Ended[AdoptionReport]:
    """Take over a village that runs elsewhere, with its own data, files, key and accounts.

    Look first (--look --follow): what is found is told in words. Both files are copied here,
    closed to others, and deleted once the village has moved in, or after a week. The worker that
    does it must run on this machine.
    """
    found = villages.get_village(code)
    if files is not None:
        incoming.receive(found.code, files=files, database=database, by=actor())
    wish = Wish(
        server=server_named(server_name) if server_name else None,
        domain=domain,
        release=releases.get_release(version) if version else None,
        php=php,
    )
    run = adoptions.request(found, wish, only_look=look, by=actor())
    code_of_end = EXIT_CODES[follow_run(run.id)] if follow else 0
    return Ended(adoption_report(runs.get_run(run.id)), code_of_end)


def hand_out(code: str, file: BinaryIO) -> int:
    """Write all that is a village's into a file; return its size.

    Raises RefusedError when the run does not succeed; the file is left as it was then.
    """
    site = site_of(code)
    run = exports.request(site, by=actor())
    state = follow_run(run.id)
    run = runs.get_run(run.id)
    if state is not RunState.SUCCEEDED:
        raise RefusedError(
            f"Pekerjaan {run.id} tidak berhasil: {run.targets[0].message}",
            f"Lihat: siappakai run show {run.id}",
        )
    file.truncate(0)
    return exports.deliver(run, site.village.code, file, by=actor())


def adoption_report(run: Run) -> AdoptionReport:
    db.session.refresh(run)
    target = db.session.get_one(Target, run.targets[0].id, populate_existing=True)
    figures = target.result.get("figures", {})
    return AdoptionReport(
        run=run.id,
        state=run.state.value,
        message=target.message,
        name=figures.get("name"),
        app_version=figures.get("app_version"),
        schema_version=figures.get("schema_version"),
        residents=figures.get("penduduk"),
        files=figures.get("files", {}).get("files"),
        findings=[
            FindingRecord(one.code, one.blocks, one.told) for one in adoptions.findings_of(target)
        ],
    )
