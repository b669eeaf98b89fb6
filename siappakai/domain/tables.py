"""Tables people send: what a cell holds, which column it is, and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from siappakai.errors import InvalidInputError
from siappakai.wording import say


class Kind(StrEnum):
    """What a spreadsheet made of a cell; a CSV file has text only."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    FORMULA = "formula"
    ERROR = "error"


class Level(StrEnum):
    """How bad a problem is: an error forbids the import, the others only inform."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of a table; `number` counts as spreadsheets do, the headings being row 1."""

    number: int
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """A table as read from a file, blank lines left out. `encoding` is empty for XLSX."""

    headings: list[str]
    rows: list[TableRow]
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a person must know about one cell: what it is, and what to do now.

    `row` 1 are the headings; `column` is one of COLUMNS or an unknown heading.
    """

    row: int
    column: str
    level: Level
    what: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One line as text by column; `problems` are those of its cells."""

    number: int
    values: dict[str, str]
    problems: list[Problem] = field(default_factory=list)


# The column's own name, then the other headings it goes by.
COLUMNS: dict[str, tuple[str, ...]] = {
    "kode_provinsi": ("kode_propinsi", "province_code"),
    "nama_provinsi": ("nama_propinsi", "provinsi", "province", "province_name"),
    "kode_kabupaten": ("kode_kota", "regency_code"),
    "nama_kabupaten": ("kabupaten", "kabupaten_kota", "nama_kota", "regency", "regency_name"),
    "kode_kecamatan": ("district_code",),
    "nama_kecamatan": ("kecamatan", "district", "district_name"),
    "kode_desa": ("kode", "kode_wilayah", "kode_nagari", "code", "village_code"),
    "nama_desa": ("nama", "desa", "nama_nagari", "nagari", "name", "village", "village_name"),
    "kode_desa_polos": ("kode_polos", "plain_code"),
    "domain": ("nama_domain", "hostname", "domain_name"),
    "server": ("nama_server", "server_name"),
    "rilis": ("release", "versi", "version"),
    "php": ("versi_php", "php_version"),
}
_BY_HEADING = {
    heading: column for column, others in COLUMNS.items() for heading in (column, *others)
}


def read_records(table: Table) -> tuple[list[Record], list[Problem]]:
    """Return the lines of a table by column, and what is wrong with its headings.

    Raises InvalidInputError (field `file`) when a column that every list needs is missing.
    """
    columns, problems = _match(table.headings)
    for alternatives in ({"kode_desa", "kode_desa_polos"}, {"nama_desa"}):
        if not alternatives & columns.keys():
            name = min(alternatives)
            raise InvalidInputError(
                say("Kolom %(name)s tidak ada pada baris judul.", name=name),
                say(
                    "Tambahkan kolom %(name)s; judul lain yang dikenal: %(choices)s.",
                    name=name,
                    choices=", ".join(COLUMNS[name]),
                ),
                field="file",
            )
    return [_record(row, columns, len(table.headings)) for row in table.rows], problems


def _match(headings: list[str]) -> tuple[dict[str, int], list[Problem]]:
    columns: dict[str, int] = {}
    problems: list[Problem] = []
    for index, heading in enumerate(headings):
        column = _BY_HEADING.get(re.sub(r"[^a-z0-9]+", "_", heading.lower()).strip("_"))
        if column is None:
            if heading:
                what = say("Kolom “%(heading)s” tidak dikenal dan diabaikan.", heading=heading[:40])
                problems.append(Problem(1, heading[:40], Level.NOTE, what))
        elif column in columns:
            what = say("Kolom %(column)s ada lebih dari satu kali.", column=column)
            problems.append(Problem(1, column, Level.ERROR, what, say("Hapus salah satunya.")))
        else:
            columns[column] = index
    return columns, problems


def _record(row: TableRow, columns: dict[str, int], width: int) -> Record:
    record = Record(row.number, {})
    for column, index in columns.items():
        cell = row.cells[index] if index < len(row.cells) else Cell("")
        problem = _cell_problem(cell, row.number, column)
        if problem:
            record.problems.append(problem)
        record.values[column] = "" if problem else cell.text
    if any(cell.text for cell in row.cells[width:]):
        what = say("Baris ini lebih panjang daripada baris judul.")
        todo = say("Apit isi yang memuat pemisah dengan tanda kutip.")
        record.problems.append(Problem(row.number, "", Level.ERROR, what, todo))
    return record


_SPOILT = {
    Kind.FORMULA: (
        say("Sel ini berisi rumus."),
        say("Ganti dengan nilainya (tempel sebagai nilai)."),
    ),
    Kind.DATE: (
        say("Excel mengubah isi sel ini menjadi tanggal atau waktu."),
        say("Format kolomnya sebagai Teks, lalu ketik ulang isinya."),
    ),
    Kind.ERROR: (say("Sel ini berisi kesalahan rumus."), say("Isi dengan nilainya.")),
}


def _cell_problem(cell: Cell, row: int, column: str) -> Problem | None:
    if cell.kind in _SPOILT:
        what, todo = _SPOILT[cell.kind]
        return Problem(row, column, Level.ERROR, what, todo)
    return None
