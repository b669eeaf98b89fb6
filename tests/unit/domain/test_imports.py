"""Every problem of an import is found, by row and column, and nothing else is one."""

import pytest

from siappakai.domain.import_checks import Known, KnownSite, check_rows, needs_plan
from siappakai.domain.imports import ImportRow, read_rows
from siappakai.domain.official import read_official_rows
from siappakai.domain.tables import Cell, Kind, Level, Problem, Table, TableRow
from siappakai.errors import InvalidInputError

KNOWN = Known(
    regency_code="5102",
    regency_name="Tabanan",
    districts={"510201": "Selemadeg"},
    servers={"utama": ["8.2"]},
    releases=frozenset({"v2410.0.0"}),
    domains={"bajera.desa.id": "5102012001"},
    sites={
        "5102012001": KnownSite(
            domain="bajera.desa.id",
            server="utama",
            release="v2410.0.0",
            php="8.2",
            is_planned=False,
        )
    },
)
OFFICIAL = Known(
    regency_code="5102",
    regency_name="Tabanan",
    districts={"510201": "Selemadeg"},
    official={"5102012001": "Bajera"},
)


def _table(*lines: str | list[Cell], headings: str = "kode_desa;nama_desa", **more: str) -> Table:
    rows = [
        [Cell(text) for text in line.split(";")] if isinstance(line, str) else line
        for line in lines
    ]
    numbered = [TableRow(number, cells) for number, cells in enumerate(rows, start=2)]
    return Table(headings.split(";"), numbered, **more)


def _places(problems: list[Problem], level: Level = Level.ERROR) -> list[tuple[int, str]]:
    return [(found.row, found.column) for found in problems if found.level == level]


def _row(
    number: int = 2, code: str = "5102012002", name: str = "Wanagiri", **more: str
) -> ImportRow:
    return ImportRow(number, code, name, **more)


def test_a_good_list_has_no_problem() -> None:
    rows, problems = read_rows(_table("51.02.01.2001;Bajera", "5102012002; Wana  giri "))
    assert problems == []
    assert rows == [_row(2, "5102012001", "Bajera"), _row(3, "5102012002", "Wana giri")]


@pytest.mark.parametrize(
    "headings",
    [
        "Kode Desa;Nama Desa",
        "KODE;NAMA",
        "code;name",
        "village-code;village_name",
        "kode_nagari;Nama Nagari",
        "kode_desa_polos;desa",
    ],
)
def test_columns_are_known_by_many_names(headings: str) -> None:
    rows, problems = read_rows(_table("5102012001;Bajera", headings=headings))
    assert problems == []
    assert rows == [_row(2, "5102012001", "Bajera")]


def test_an_unknown_column_is_a_note_and_a_repeated_one_an_error() -> None:
    table = _table("5102012001;Bajera;7;Y", headings="kode;nama;luas;name")
    _, problems = read_rows(table)
    assert _places(problems, Level.NOTE) == [(1, "luas")]
    assert _places(problems) == [(1, "nama_desa")]


@pytest.mark.parametrize("headings", ["nama_desa;domain", "kode_desa;domain"])
def test_a_list_without_a_needed_column_is_refused(headings: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_rows(_table("5102012001;Bajera", headings=headings))
    assert caught.value.field == "file"


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (";Bajera", "kode_desa"),
        ("5102012001;", "nama_desa"),
        ("51020120;Bajera", "kode_desa"),
        ("5,10201E+09;Bajera", "kode_desa"),
        ("5.10201E+09;Bajera", "kode_desa"),
        ("5102012001;Ba\x07jera", "nama_desa"),
    ],
)
def test_bad_cells_are_named(line: str, column: str) -> None:
    _, problems = read_rows(_table(line))
    assert _places(problems) == [(2, column)]


def test_a_code_shortened_by_excel_says_so() -> None:
    _, problems = read_rows(_table("5,10201E+09;Bajera"))
    assert "Excel memendekkan" in problems[0].what


@pytest.mark.parametrize(
    ("kind", "text"),
    [(Kind.FORMULA, "=A1"), (Kind.DATE, "2026-01-02"), (Kind.ERROR, "#N/A")],
)
def test_cells_that_hold_no_value_are_named_once(kind: Kind, text: str) -> None:
    _, problems = read_rows(_table([Cell(text, kind), Cell("Bajera")]))
    assert _places(problems) == [(2, "kode_desa")]


def test_numbers_of_a_spreadsheet_are_codes() -> None:
    headings = "kode_kabupaten;kode_kecamatan;kode_desa;nama_desa;php"
    number = [
        Cell("13.1", Kind.NUMBER),
        Cell("131001", Kind.NUMBER),
        Cell("1310012001", Kind.NUMBER),
        Cell("Sungai Rumbai"),
        Cell("8.2", Kind.NUMBER),
    ]
    rows, problems = read_rows(_table(number, headings=headings))
    assert problems == []
    assert (rows[0].code, rows[0].php) == ("1310012001", "8.2")


def test_a_trailing_zero_of_a_number_is_no_part_of_the_code() -> None:
    rows, problems = read_rows(_table("5102012001.0;Bajera"))
    assert (rows[0].code, problems) == ("5102012001", [])


@pytest.mark.parametrize("column", ["kode_provinsi", "kode_kabupaten", "kode_kecamatan"])
def test_codes_that_contradict_each_other_are_errors(column: str) -> None:
    table = _table("5102012001;Bajera;13.07.02", headings=f"kode_desa;nama_desa;{column}")
    _, problems = read_rows(table)
    assert _places(problems) == [(2, column)]


def test_the_plain_code_stands_in_for_an_empty_dotted_one() -> None:
    headings = "kode_desa;kode_desa_polos;nama_desa"
    rows, problems = read_rows(_table(";5102012001;Bajera", headings=headings))
    assert (rows[0].code, problems) == ("5102012001", [])
    _, problems = read_rows(_table("5102012001;5102012002;Bajera", headings=headings))
    assert _places(problems) == [(2, "kode_desa_polos")]


def test_a_line_longer_than_the_headings_is_an_error() -> None:
    _, problems = read_rows(_table("5102012001;Bajera;sisa"))
    assert _places(problems) == [(2, "")]


def test_another_encoding_than_utf_8_is_a_warning() -> None:
    _, problems = read_rows(_table("5102012001;Bajera", encoding="Windows-1252"))
    assert _places(problems, Level.WARNING) == [(1, "")]


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("domain", "Bajera.Desa.ID", "bajera.desa.id"),
        ("rilis", "2410.0.0", "v2410.0.0"),
        ("rilis", "v2410.0.0", "v2410.0.0"),
        ("php", "8.2", "8.2"),
    ],
)
def test_values_of_a_site_are_read(column: str, text: str, value: str) -> None:
    table = _table(f"5102012001;Bajera;{text}", headings=f"kode_desa;nama_desa;{column}")
    rows, problems = read_rows(table)
    assert problems == []
    assert value in {rows[0].domain, rows[0].release, rows[0].php}


@pytest.mark.parametrize(
    ("column", "text"),
    [("domain", "http://x"), ("domain", "-x.id"), ("rilis", "24.10"), ("php", "8.2.1")],
)
def test_bad_values_of_a_site_are_errors(column: str, text: str) -> None:
    table = _table(f"5102012001;Bajera;{text}", headings=f"kode_desa;nama_desa;{column}")
    _, problems = read_rows(table)
    assert _places(problems) == [(2, column)]


def test_repeated_codes_and_domains_name_the_first_row() -> None:
    rows = [
        _row(2, domain="a.desa.id", server="utama"),
        _row(3, code="5102012003", domain="a.desa.id", server="utama"),
        _row(4),
    ]
    problems = check_rows(rows, KNOWN)
    assert _places(problems) == [(3, "domain"), (4, "kode_desa")]
    assert all("baris 2" in found.what for found in problems)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (_row(code="1307012001"), "kode_desa"),
        (_row(code="5102022001"), "nama_kecamatan"),
        (_row(domain="bajera.desa.id", server="utama"), "domain"),
        (_row(domain="wanagiri.desa.id"), "server"),
        (_row(server="utama"), "domain"),
        (_row(domain="wanagiri.desa.id", server="lain"), "server"),
        (_row(domain="wanagiri.desa.id", server="utama", php="8.4"), "php"),
        (_row(domain="wanagiri.desa.id", server="utama", release="v2409.0.0"), "rilis"),
        (_row(code="5102012001", domain="baru.desa.id", server="utama"), "domain"),
    ],
)
def test_rows_are_checked_against_the_registry(row: ImportRow, column: str) -> None:
    assert _places(check_rows([row], KNOWN)) == [(2, column)]


def test_a_planned_site_must_find_its_php_on_another_server() -> None:
    planned = KnownSite("a.desa.id", "utama", "", "8.2", is_planned=True)
    known = Known(
        regency_code="5102",
        regency_name="Tabanan",
        districts={"510201": "Selemadeg"},
        servers={"utama": ["8.2"], "baru": ["8.4"]},
        sites={"5102012002": planned},
    )
    row = _row(domain="a.desa.id", server="baru")
    assert _places(check_rows([row], known)) == [(2, "php")]


def test_a_new_district_may_be_named_by_the_row() -> None:
    assert check_rows([_row(code="5102022001", district_name="Selemadeg Timur")], KNOWN) == []


def test_another_name_of_a_known_district_is_a_warning() -> None:
    problems = check_rows([_row(district_name="Kediri")], KNOWN)
    assert _places(problems, Level.WARNING) == [(2, "nama_kecamatan")]
    assert check_rows([_row(district_name="SELEMADEG")], KNOWN) == []


def test_the_official_list_decides_on_codes_and_advises_on_names() -> None:
    assert _places(check_rows([_row()], OFFICIAL)) == [(2, "kode_desa")]
    problems = check_rows([_row(code="5102012001", name="Bajera Baru")], OFFICIAL)
    assert _places(problems, Level.WARNING) == [(2, "nama_desa")]
    assert check_rows([_row(code="5102012001", name="BAJERA")], OFFICIAL) == []


def test_an_installed_site_keeps_release_and_php_with_a_warning() -> None:
    row = _row(code="5102012001", domain="bajera.desa.id", server="utama", release="v2410.0.0")
    assert check_rows([row], KNOWN) == []
    older = Known(**{**_fields(KNOWN), "releases": frozenset({"v2409.0.0"})})
    row = _row(code="5102012001", domain="bajera.desa.id", server="utama", release="v2409.0.0")
    problems = check_rows([row], older)
    assert (_places(problems), _places(problems, Level.WARNING)) == ([], [(2, "rilis")])


def _fields(known: Known) -> dict[str, object]:
    return {name: getattr(known, name) for name in Known.__slots__}


def test_a_site_is_planned_when_new_or_planned_otherwise() -> None:
    row = _row(domain="wanagiri.desa.id", server="utama")
    planned = KnownSite("wanagiri.desa.id", "utama", "v2410.0.0", "8.2", is_planned=True)
    elsewhere = KnownSite("wanagiri.desa.id", "kedua", "", "8.2", is_planned=True)
    installed = KnownSite("wanagiri.desa.id", "kedua", "", "8.2", is_planned=False)
    assert needs_plan(row, None)
    assert needs_plan(row, elsewhere)
    assert not needs_plan(row, planned)
    assert not needs_plan(row, installed)
    assert not needs_plan(_row(), None)


def test_the_official_list_must_be_right_in_every_line() -> None:
    headings = "kode_desa;nama_desa;nama_kecamatan"
    rows = read_official_rows(_table("51.02.01.2001;Bajera;Selemadeg", headings=headings))
    assert (rows[0].code, rows[0].district_name) == ("5102012001", "Selemadeg")
    for line in ("51.02.01.2001;Bajera;Selemadeg", "x;Bajera;Selemadeg", "51.02.01.2002;;S"):
        table = _table("51.02.01.2001;Bajera;Selemadeg", line, headings=headings)
        with pytest.raises(InvalidInputError, match="Baris 3"):
            read_official_rows(table)
