"""`siappakai village import`, `export` and `official-list`: villages as files."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Annotated, Any, BinaryIO, Literal

import click

from siappakai.cli.adoptions import hand_out
from siappakai.cli.asking import agree, yes_option
from siappakai.cli.context import actor, is_rehearsal
from siappakai.cli.output import Column, Ended
from siappakai.cli.training import village
from siappakai.errors import InvalidInputError, RefusedError
from siappakai.services import imports, official
from siappakai.services.imports import ImportResult, Preview

_HAS_ERRORS = InvalidInputError.exit_code


@dataclass(frozen=True, slots=True)
class ProblemRecord:
    """Something to know about one cell of an import; an error forbids it."""

    row: Annotated[int, Column("Baris", "row of the file, the headings being 1")]
    column: Annotated[str, Column("Kolom", "its column")]
    level: Annotated[str, Column("Tingkat", "error, warning or note")]
    what: Annotated[str, Column("Masalah", "what is wrong")]
    todo: Annotated[str, Column("Tindakan", "what to do now")]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do."""

    file: Annotated[str, Column("Berkas", "name of the file")]
    rows: Annotated[int, Column("Baris", "how many villages it lists")]
    new: Annotated[int, Column("Baru", "how many of them are not registered yet")]
    known: Annotated[int, Column("Sudah ada", "how many of them are registered")]
    applied: Annotated[bool, Column("Diterapkan", "whether the registry was changed")]
    created: Annotated[int, Column("Didaftarkan", "villages registered")]
    updated: Annotated[int, Column("Diubah", "villages renamed")]
    planned: Annotated[int, Column("Situs direncanakan", "sites planned")]
    problems: Annotated[list[ProblemRecord], Column("Masalah", "every problem found")]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """A file that was written."""

    file: Annotated[str, Column("Berkas", "its path")]
    format: Annotated[str, Column("Format", "csv, xlsx or zip")]
    size: Annotated[int, Column("Ukuran", "its size in bytes")]


@dataclass(frozen=True, slots=True)
class OfficialList:
    """The official list of the regency as it was loaded."""

    villages: Annotated[int, Column("Desa", "how many villages it has")]


class _ExportFile(click.File):
    """Closed to others, while its owner may still do that, when it will hold a village's data."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> IO[Any]:
        file: IO[Any] = super().convert(value, param, ctx)
        is_plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        if is_plain and ctx is not None and ctx.params.get("code"):
            os.fchmod(file.fileno(), 0o600)
        return file


@village.command("import", changes=True, example="siappakai village import desa.xlsx --dry-run")
@click.argument("file", type=click.File("rb"))
@yes_option
def import_villages(file: BinaryIO, *, yes: bool) -> Ended[ImportReport]:
    """Register the villages of a CSV or XLSX file, whole or not at all.

    Every problem is shown by row and column; a file with errors changes nothing.
    """
    preview = imports.preview_import(file.read(), filename=file.name, by=actor())
    if not preview.is_applicable:
        imports.discard_import(preview.id, by=actor())
        return Ended(_report(preview, None), _HAS_ERRORS)
    try:
        agree(f"Daftarkan {preview.new} desa baru, perbarui {preview.known}?", yes=yes)
    except (RefusedError, click.Abort):
        imports.discard_import(preview.id, by=actor())
        raise
    return Ended(_report(preview, imports.apply_import(preview.id, by=actor())), 0)


@village.command("export", example="siappakai village export desa.xlsx")
@click.argument("file", type=_ExportFile("ab"))
@click.option(
    "--village",
    "code",
    is_eager=True,  # the file is opened by what this says
    help="Instead of the list: all that is this village's, as zip.",
)
def export_villages(file: BinaryIO, code: str | None) -> ExportReport:
    """Write all villages to a CSV or XLSX file, in the columns an import takes.

    With --village: its database, its folder with app_key and how to put both on any hosting with
    stock OpenSID, in one zip that only its owner can read. The worker must run on this machine.
    """
    if code is not None:
        return ExportReport(file.name, "zip", hand_out(code, file))
    file_format = _format(file.name)
    content = imports.export_villages(file_format=file_format)
    # Opened for appending and cut here: a refused export leaves the old file as it was.
    file.truncate(0)
    file.write(content)
    return ExportReport(file.name, file_format, len(content))


@village.command(
    "official-list", changes=True, example="siappakai village official-list wilayah_51.02.csv"
)
@click.argument("file", type=click.File("rb"))
def load_official_list(file: BinaryIO) -> OfficialList:
    """Load the regency's official list (Kemendagri), which codes are then checked against."""
    return OfficialList(official.load_official_list(file.read(), by=actor()))


def _format(name: str) -> Literal["csv", "xlsx"]:
    suffix = PurePath(name).suffix.lower()
    if suffix == ".csv":
        return "csv"
    if suffix == ".xlsx":
        return "xlsx"
    raise InvalidInputError(
        f"Nama berkas “{name}” tidak menyebut formatnya.", "Akhiri .csv atau .xlsx.", field="file"
    )


def _report(preview: Preview, done: ImportResult | None) -> ImportReport:
    return ImportReport(
        file=preview.filename,
        rows=len(preview.rows),
        new=preview.new,
        known=preview.known,
        applied=done is not None and not is_rehearsal(),
        created=done.created if done else 0,
        updated=done.updated if done else 0,
        planned=done.planned if done else 0,
        problems=[
            ProblemRecord(one.row, one.column, one.level.value, one.what, one.todo)
            for one in preview.problems
        ],
    )
