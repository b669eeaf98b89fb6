"""Reading and writing the tables people send: CSV as Excel makes it, and XLSX."""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, time, timedelta
from typing import Any
from zipfile import BadZipFile, ZipFile

from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from siappakai.domain.tables import Cell, Kind, Table, TableRow
from siappakai.errors import InvalidInputError
from siappakai.wording import say

MAX_MEGABYTES = 5
MAX_BYTES = MAX_MEGABYTES * 1024 * 1024
MAX_ROWS = 2000
_MAX_COLUMNS = 60
_MAX_UNPACKED_BYTES = 100 * 1024 * 1024
_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# A spreadsheet takes a CSV cell that begins like this for a formula.
_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")
_GUARDED = re.compile(r"\A'(?=['=+\-@\t\r])")
# Whatever a damaged or crafted workbook makes zipfile, the XML parser and openpyxl trip over;
# openpyxl has no error of its own for most of it.
_DAMAGED = (
    BadZipFile,
    InvalidFileException,
    zlib.error,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def read_table(content: bytes) -> Table:
    """Read a CSV or XLSX file: first line the headings, blank lines left out.

    CSV may be separated by comma, semicolon or tab, in UTF-8, UTF-16 or Windows-1252.
    Raises InvalidInputError (field `file`) when it is too large, empty or neither of both.
    """
    if len(content) > MAX_BYTES:
        raise _refusal(
            say("Berkas melebihi %(megabytes)s MB.", megabytes=MAX_MEGABYTES),
            say("Bagi menjadi beberapa berkas."),
        )
    if content.startswith(_OLD_EXCEL):
        raise _refusal(say("Ini berkas Excel lama (.xls)."), say("Simpan sebagai .xlsx atau CSV."))
    if content.startswith(_ZIP):
        lines, encoding = _xlsx_lines(content), ""
    else:
        text, encoding = _decode(content)
        lines = _csv_lines(text)
    return _table(lines, encoding)


def _table(lines: Iterable[tuple[int, list[Cell]]], encoding: str) -> Table:
    headings: list[str] | None = None
    rows: list[TableRow] = []
    for number, cells in lines:
        if not any(cell.text for cell in cells):
            continue
        if len(cells) > _MAX_COLUMNS:
            raise _refusal(
                say(
                    "Baris %(number)s melebihi %(max_columns)s kolom.",
                    number=number,
                    max_columns=_MAX_COLUMNS,
                ),
                say("Hapus yang berlebih."),
            )
        if number > MAX_ROWS + 1:
            raise _refusal(
                say("Daftar melebihi %(rows)s baris.", rows=MAX_ROWS),
                say("Bagi menjadi beberapa berkas."),
            )
        if headings is None:
            headings = [cell.text for cell in cells]
        else:
            rows.append(TableRow(number, cells))
    if headings is None or not rows:
        raise _refusal(
            say("Berkas ini tidak berisi baris data."), say("Baris pertama judul, lalu isinya.")
        )
    return Table(headings, rows, encoding)


def _decode(content: bytes) -> tuple[str, str]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = [("utf-16", "utf-8")]
    else:
        encodings = [("utf-8-sig", "utf-8"), ("cp1252", "Windows-1252")]
    for codec, name in encodings:
        try:
            return content.decode(codec), name
        except UnicodeDecodeError:
            continue
    raise _refusal(
        say("Berkas ini bukan CSV atau XLSX yang terbaca."), say("Simpan sebagai CSV UTF-8.")
    )


def _csv_lines(text: str) -> Iterator[tuple[int, list[Cell]]]:
    if "\0" in text:
        raise _refusal(
            say("Berkas ini bukan teks CSV."), say("Simpan sebagai CSV UTF-8 atau XLSX.")
        )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        for number, fields in enumerate(reader, start=1):
            yield number, [Cell(_GUARDED.sub("", field.strip(), count=1)) for field in fields]
    except csv.Error as error:
        raise _refusal(
            say("Baris %(line_num)s tidak dapat dibaca.", line_num=reader.line_num),
            say("Periksa tanda kutipnya."),
        ) from error


def _delimiter(text: str) -> str:
    """Return the mark that makes most columns of the heading row."""
    heading = text.lstrip("\r\n").splitlines()[:1]
    try:
        return max(",;\t", key=lambda mark: len(next(csv.reader(heading, delimiter=mark), [])))
    except csv.Error:
        return ","  # reading the rows tells what is wrong


def _xlsx_lines(content: bytes) -> Iterator[tuple[int, list[Cell]]]:
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > _MAX_UNPACKED_BYTES:
            raise _refusal(
                say("Isi berkas XLSX ini terlalu besar."), say("Bagi menjadi beberapa berkas.")
            )
        book = load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
        sheet = book.active
        if not isinstance(sheet, ReadOnlyWorksheet):
            raise _refusal(
                say("Berkas XLSX ini tidak membuka lembar data."), say("Simpan pada lembarnya.")
            )
        # The size a file claims may be wrong, and padding to it would cost all memory.
        sheet.reset_dimensions()
        for number, cells in enumerate(sheet.iter_rows(max_col=_MAX_COLUMNS + 1), start=1):
            yield number, _trimmed([_xlsx_cell(cell) for cell in cells])
    except _DAMAGED as error:
        raise _refusal(say("Berkas XLSX ini rusak."), say("Simpan ulang dari Excel.")) from error


def _trimmed(cells: list[Cell]) -> list[Cell]:
    while cells and not cells[-1].text:
        cells.pop()
    return cells


def _xlsx_cell(cell: Any) -> Cell:
    value = cell.value
    if value is None:
        return Cell("")
    if cell.data_type in {"f", "e"}:
        return Cell(str(value), Kind.FORMULA if cell.data_type == "f" else Kind.ERROR)
    if isinstance(value, date | time | timedelta):
        return Cell(str(value), Kind.DATE)
    if isinstance(value, float) and value.is_integer():
        return Cell(str(int(value)), Kind.NUMBER)
    if isinstance(value, int | float):
        return Cell(str(value), Kind.NUMBER)
    return Cell(str(value).strip())


def write_csv(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    """Return a CSV file that Excel opens right: UTF-8 with BOM, no cell taken as a formula."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(headings)
    writer.writerows([_guarded(text) for text in row] for row in rows)
    return file.getvalue().encode("utf-8-sig")


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith((*_FORMULA_START, "'")) else text


def write_xlsx(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    """Return an XLSX file whose cells are all text, formula signs and leading zeros kept."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("desa")
    for row in ([*headings], *rows):
        cells = []
        for text in row:
            cell = WriteOnlyCell(sheet, value=text or None)
            if text:
                cell.data_type = "s"
                cell.number_format = "@"
            cells.append(cell)
        sheet.append(cells)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _refusal(what: str, todo: str) -> InvalidInputError:
    return InvalidInputError(what, todo, field="file")
