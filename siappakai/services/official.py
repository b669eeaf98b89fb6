"""The official list of a regency's villages, as the ministry publishes it."""

from __future__ import annotations

from sqlalchemy import delete

from siappakai.domain.official import OfficialRow, read_official_rows
from siappakai.domain.places import readable_name
from siappakai.errors import InvalidInputError
from siappakai.models import OfficialVillage, Regency
from siappakai.models.transactions import transaction
from siappakai.services import audit, places
from siappakai.services.tables import read_table
from siappakai.wording import say

_REGENCY_DIGITS = 4
_DISTRICT_DIGITS = 6


def load_official_list(content: bytes, *, by: str) -> int:
    """Replace the official list by that of a CSV or XLSX file; return how many villages it has.

    A list of several regencies is cut down to ours. Before a regency was set, a list of one
    regency sets it. Districts get their official names. Raises InvalidInputError (field
    `file`) with the first bad line; then nothing changed.
    """
    rows = read_official_rows(read_table(content))
    with transaction() as session:
        regency = places.hold_regency() if places.find_regency() else _regency_of(rows, by)
        ours = [row for row in rows if row.code.startswith(regency.code)]
        if not ours:
            raise InvalidInputError(
                say(
                    "Daftar ini tidak memuat desa di %(regency)s (%(code)s).",
                    regency=regency.name,
                    code=regency.code,
                ),
                say("Pilih daftar kabupaten yang benar."),
                field="file",
            )
        session.execute(delete(OfficialVillage))
        session.add_all(
            OfficialVillage(
                code=row.code,
                name=row.name,
                district_code=row.code[:_DISTRICT_DIGITS],
                district_name=row.district_name,
            )
            for row in ours
        )
        session.flush()
        for code, name in {row.code[:_DISTRICT_DIGITS]: row.district_name for row in ours}.items():
            places.ensure_district(code, name).name = name
        audit.record("official_list.load", regency.code, by=by, detail={"villages": len(ours)})
    return len(ours)


def _regency_of(rows: list[OfficialRow], by: str) -> Regency:
    codes = {row.code[:_REGENCY_DIGITS] for row in rows}
    if len(codes) != 1 or not rows[0].regency_name or not rows[0].province_name:
        raise InvalidInputError(
            say("Kabupaten belum ditetapkan dan daftar ini tidak menyebut tepat satu kabupaten."),
            say("Tetapkan kabupatennya lebih dahulu, lalu muat daftar ini lagi."),
            field="file",
        )
    return places.set_regency(
        code=codes.pop(),
        name=readable_name(rows[0].regency_name),
        province_name=readable_name(rows[0].province_name),
        by=by,
    )
