"""What each line of a list of villages says, by the file alone; `import_checks` judges it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from siappakai.domain.codes import dotted, parse_village_code
from siappakai.domain.naming import check_domain
from siappakai.domain.places import check_name
from siappakai.domain.tables import Level, Problem, Record, Table, read_records
from siappakai.domain.versions import Version
from siappakai.errors import InvalidInputError
from siappakai.wording import say

# What an export writes and an import gives back unchanged.
EXPORT_COLUMNS = (
    "kode_desa",
    "nama_desa",
    "kode_kecamatan",
    "nama_kecamatan",
    "domain",
    "server",
    "rilis",
    "php",
)
_AREA_COLUMNS = {
    "kode_provinsi": 2,
    "kode_kabupaten": 4,
    "kode_kecamatan": 6,
    "kode_desa_polos": 10,
}
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?E\+?\d+", re.ASCII | re.IGNORECASE)
_PHP = re.compile(r"[78]\.\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One village of an import. `code` is plain, or empty when it was unreadable."""

    number: int
    code: str
    name: str
    district_name: str = ""
    domain: str = ""
    server: str = ""
    release: str = ""
    php: str = ""


def read_rows(table: Table) -> tuple[list[ImportRow], list[Problem]]:
    """Return the villages of `table` and what is wrong with its headings and cells.

    Raises InvalidInputError (field `file`) when a column that is needed is missing.
    """
    records, problems = read_records(table)
    if table.encoding not in {"", "utf-8"}:
        what = say(
            "Berkas ini tidak berenkode UTF-8; dibaca sebagai %(encoding)s.",
            encoding=table.encoding,
        )
        todo = say("Periksa huruf beraksen; bila salah, simpan ulang sebagai CSV UTF-8.")
        problems.append(Problem(1, "", Level.WARNING, what, todo))
    rows = []
    for record in records:
        row, found = _read_row(record)
        rows.append(row)
        problems += found
    return rows, problems


def _read_row(record: Record) -> tuple[ImportRow, list[Problem]]:
    problems = list(record.problems)
    spoilt = {problem.column for problem in problems}

    def value(column: str, read: Callable[[str], str], *, required: bool = False) -> str:
        text = record.values.get(column, "")
        if column in spoilt or not (text or required):
            return ""
        try:
            return read(text)
        except InvalidInputError as error:
            problems.append(Problem(record.number, column, Level.ERROR, error.what, error.todo))
            return ""

    source = "kode_desa" if record.values.get("kode_desa") else _code_column(record)
    code = value(source, _read_code, required=True)
    row = ImportRow(
        number=record.number,
        code=code,
        name=value("nama_desa", _read_name("nama_desa"), required=True),
        district_name=value("nama_kecamatan", _read_name("nama_kecamatan")),
        domain=value("domain", check_domain),
        server=value("server", str),
        release=value("rilis", _read_release),
        php=value("php", _read_php),
    )
    if code:
        problems += _area_problems(record, code)
    return row, problems


def _code_column(record: Record) -> str:
    has_plain = record.values.get("kode_desa_polos") or "kode_desa" not in record.values
    return "kode_desa_polos" if has_plain else "kode_desa"


def _read_code(text: str) -> str:
    if not text:
        raise InvalidInputError(say("Kode desa kosong."), say("Isi 10 angka kode desa."))
    if _SCIENTIFIC.fullmatch(text):
        raise InvalidInputError(
            say("Excel memendekkan kode desa menjadi “%(text)s”; angkanya hilang.", text=text),
            say("Format kolomnya sebagai Teks, lalu ketik ulang kodenya."),
        )
    return parse_village_code(re.sub(r"(?<=\d{10})\.0+", "", text)).plain


def _read_name(column: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text:
            raise InvalidInputError(
                say("Kolom %(column)s kosong.", column=column), say("Isi namanya.")
            )
        return check_name(text, field=column)

    return read


def _read_release(text: str) -> str:
    return Version.parse(text if text.startswith("v") else f"v{text}").tag


def _read_php(text: str) -> str:
    if not _PHP.fullmatch(text):
        raise InvalidInputError(
            say("Versi PHP “%(text)s” tidak sah.", text=text[:20]), say("Contoh: 8.2.")
        )
    return text


def _area_problems(record: Record, code: str) -> Iterator[Problem]:
    for column, digits in _AREA_COLUMNS.items():
        text = record.values.get(column, "")
        # Excel shows 13.10 as 13.1 once it takes it for a number.
        padded = f"{text}0" if re.fullmatch(r"\d\d\.\d", text) else text
        if text and padded.replace(".", "") != code[:digits]:
            what = say(
                "Isi “%(text)s” tidak cocok dengan kode desa %(code)s.",
                text=text[:40],
                code=dotted(code),
            )
            todo = say("Seharusnya %(code)s.", code=dotted(code[:digits]))
            yield Problem(record.number, column, Level.ERROR, what, todo)
