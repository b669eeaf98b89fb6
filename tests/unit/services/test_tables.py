"""Tables as people send them: what Excel, LibreOffice and text editors make of a list."""

import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from siappakai.domain.tables import Kind, Table
from siappakai.errors import InvalidInputError
from siappakai.services.tables import MAX_BYTES, MAX_ROWS, read_table, write_csv, write_xlsx

HEADINGS = ("kode_desa", "nama_desa")

# What a cell of a registry can be: tidy printable text, formula signs included.
cells = (
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=30)
    .map(lambda text: " ".join(text.split()))
    .filter(str.isprintable)
)
rows = st.lists(
    st.tuples(cells, cells).filter(lambda row: row[0] and row[1]), min_size=1, max_size=5
)


def _texts(content: bytes) -> list[tuple[str, ...]]:
    return [tuple(cell.text for cell in row.cells) for row in read_table(content).rows]


def _workbook(*lines: list[object]) -> bytes:
    book = Workbook()
    for line in lines:
        book.active.append(line)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.patient
@given(rows)
def test_a_written_csv_reads_the_same(lines: list[tuple[str, str]]) -> None:
    assert _texts(write_csv(HEADINGS, lines)) == lines


@pytest.mark.patient
@settings(max_examples=25)
@given(rows)
def test_a_written_xlsx_reads_the_same(lines: list[tuple[str, str]]) -> None:
    table = read_table(write_xlsx(HEADINGS, lines))
    assert [tuple(cell.text for cell in row.cells) for row in table.rows] == lines
    assert {cell.kind for row in table.rows for cell in row.cells} == {Kind.TEXT}


@pytest.mark.parametrize("text", ["=1+1", "+62", "-5", "@SUM(A1)", "'=1", "'ukai", "''"])
def test_no_cell_of_a_written_csv_is_a_formula(text: str) -> None:
    content = write_csv(HEADINGS, [(text, "x")])
    line = content.decode("utf-8-sig").splitlines()[1].strip('"')
    assert line.startswith("'")
    assert _texts(content) == [(text, "x")]


def test_no_cell_of_a_written_xlsx_is_a_formula() -> None:
    sheet = load_workbook(io.BytesIO(write_xlsx(HEADINGS, [("=1+1", "x")]))).active
    assert sheet["A2"].data_type == "s"
    assert sheet["A2"].value == "=1+1"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_common_kind_of_csv_is_read(delimiter: str, line_end: str, encoding: str) -> None:
    lines = [("kode", "nama"), ("51.02.01.2001", "Désa, Satu; Dua")]
    text = line_end.join(delimiter.join(f'"{cell}"' for cell in line) for line in lines)
    table = read_table(text.encode(encoding))
    assert table.headings == ["kode", "nama"]
    assert [cell.text for cell in table.rows[0].cells] == ["51.02.01.2001", "Désa, Satu; Dua"]
    assert table.encoding == ("Windows-1252" if encoding == "cp1252" else "utf-8")


def test_rows_keep_their_numbers_when_blank_ones_are_left_out() -> None:
    table = read_table(b"\nkode,nama\n,,\n1,a\n\n2,b\n")
    assert [row.number for row in table.rows] == [4, 6]


def test_a_quoted_line_break_stays_in_its_cell() -> None:
    table = read_table(b'kode,nama\n1,"a\nb"\n2,c\n')
    assert [row.cells[1].text for row in table.rows] == ["a\nb", "c"]


def test_cells_of_a_workbook_tell_what_excel_made_of_them() -> None:
    content = _workbook(
        ["kode", "nama"],
        [5102012001, 51.02, 5102012001.0, "=A1", datetime(2026, 1, 2, tzinfo=UTC).date()],
        [time(5, 2), True, "#N/A", " teks "],
    )
    first, second = read_table(content).rows
    assert [(cell.text, cell.kind) for cell in first.cells] == [
        ("5102012001", Kind.NUMBER),
        ("51.02", Kind.NUMBER),
        ("5102012001", Kind.NUMBER),
        ("=A1", Kind.FORMULA),
        ("2026-01-02 00:00:00", Kind.DATE),
    ]
    assert [cell.kind for cell in second.cells] == [Kind.DATE, Kind.NUMBER, Kind.ERROR, Kind.TEXT]
    assert second.cells[3].text == "teks"


def _zip(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


WORKBOOK = _workbook(["kode", "nama"], [5102012001, "Bajera"], ["=A1", 51.02])
PARTS = zipfile.ZipFile(io.BytesIO(WORKBOOK)).namelist()


def _chart_only() -> bytes:
    book = Workbook()
    book.create_chartsheet()
    book.active = 1
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


# Made when asked for: some take their time.
UNREASONABLE: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "blank lines": lambda: b"\n\n",
    "headings alone": lambda: b"kode,nama\n",
    "empty cells": lambda: b"kode,nama\n,\n",
    "old Excel": lambda: b"\xd0\xcf\x11\xe0 old Excel",
    "no archive": lambda: b"PK\x03\x04 no archive",
    "no workbook": lambda: _zip(a=b"not a workbook"),
    "cut workbook": lambda: _workbook(["kode", "nama"])[:-200],
    "workbook of headings": lambda: _workbook(["kode", "nama"]),
    "chart": _chart_only,
    "NUL": lambda: b"kode\0,nama\n1,2\n",
    "no text": lambda: b"\x81\x8d\x8f\x90\x9d\xff",
    "cut UTF-16": lambda: b"\xff\xfe\x00",
    "too large": lambda: b"x" * (MAX_BYTES + 1),
    "zip bomb": lambda: _zip(a=b"\0" * (101 * 1024 * 1024)),
    "too long CSV": lambda: b"kode,nama\n" + b"1,a\n" * (MAX_ROWS + 1),
    "too long workbook": lambda: _workbook(*[["kode", "nama"]] * (MAX_ROWS + 2)),
    "too wide CSV": lambda: b"kode,nama\n" + b"," * 70 + b"x\n",
    "too wide workbook": lambda: _workbook(["kode", "nama"], [""] * 70 + ["x"]),
    "too long cell": lambda: b"kode,nama\n" + b"1," + b"x" * 200_000,
}


@pytest.mark.patient
@pytest.mark.parametrize("kind", UNREASONABLE)
def test_what_is_no_reasonable_table_is_refused(kind: str) -> None:
    content = UNREASONABLE[kind]()
    with pytest.raises(InvalidInputError) as caught:
        read_table(content)
    assert caught.value.field == "file"
    assert caught.value.todo


@pytest.mark.patient
@pytest.mark.filterwarnings("ignore::UserWarning")  # openpyxl's, about what it does not know
@settings(max_examples=60)
@given(st.sampled_from(PARTS), st.floats(0, 1), st.integers(0, 40), st.binary(max_size=8))
def test_a_damaged_workbook_is_read_or_refused(
    part: str, where: float, cut: int, filling: bytes
) -> None:
    with zipfile.ZipFile(io.BytesIO(WORKBOOK)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    at = int(where * len(files[part]))
    files[part] = files[part][:at] + filling + files[part][at + cut :]
    try:
        table = read_table(_zip(**files))
    except InvalidInputError as error:
        table = error
    assert isinstance(table, Table) or table.field == "file"


def test_a_list_of_the_largest_size_is_read() -> None:
    assert len(read_table(b"kode,nama\n" + b"1,a\n" * MAX_ROWS).rows) == MAX_ROWS
