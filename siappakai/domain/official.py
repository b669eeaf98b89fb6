"""The official list of villages (Kemendagri): every line of it must be right."""

from __future__ import annotations

from dataclasses import dataclass

from siappakai.domain.codes import parse_village_code
from siappakai.domain.places import check_name
from siappakai.domain.tables import Record, Table, read_records
from siappakai.errors import InvalidInputError
from siappakai.wording import say


@dataclass(frozen=True, slots=True)
class OfficialRow:
    """A village of the official list; `code` plain. Regency and province may be unnamed."""

    code: str
    name: str
    district_name: str
    regency_name: str
    province_name: str


def read_official_rows(table: Table) -> list[OfficialRow]:
    """Return the official list in `table`.

    Raises InvalidInputError (field `file`) naming the first bad row and column.
    """
    records, problems = read_records(table)
    for problem in [*problems, *(problem for record in records for problem in record.problems)]:
        if problem.level == "error":
            raise _at(problem.row, InvalidInputError(problem.what, problem.todo))
    rows: dict[str, OfficialRow] = {}
    for record in records:
        row = _official_row(record)
        if row.code in rows:
            raise _at(
                record.number,
                InvalidInputError(
                    say("Kode %(code)s berulang.", code=row.code), say("Hapus satu baris.")
                ),
            )
        rows[row.code] = row
    return list(rows.values())


def _official_row(record: Record) -> OfficialRow:
    value = record.values.get
    try:
        return OfficialRow(
            code=parse_village_code(value("kode_desa", "") or value("kode_desa_polos", "")).plain,
            name=check_name(value("nama_desa", ""), field="nama_desa"),
            district_name=check_name(value("nama_kecamatan", ""), field="nama_kecamatan"),
            regency_name=value("nama_kabupaten", ""),
            province_name=value("nama_provinsi", ""),
        )
    except InvalidInputError as error:
        raise _at(record.number, error) from error


def _at(row: int, error: InvalidInputError) -> InvalidInputError:
    return InvalidInputError(
        say("Baris %(row)s: %(what)s", row=row, what=error.what), error.todo, field="file"
    )
