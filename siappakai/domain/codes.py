"""Kode wilayah: the region codes of Kemendagri, and the rules they keep.

A village code has ten digits, PP KK CC JVVV: province, regency, district, then the kind of
village (1 kelurahan, 2 desa; 3 desa adat and its like) and its number. Stored plain
(`5102012001`), shown dotted (`51.02.01.2001`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from siappakai.errors import InvalidInputError
from siappakai.wording import say

_VILLAGE = re.compile(r"(\d{2})\.?(\d{2})\.?(\d{2})\.?([123]\d{3})", re.ASCII)
_LENGTHS = {2: say("provinsi"), 4: say("kabupaten"), 6: say("kecamatan"), 10: say("desa")}


@dataclass(frozen=True, slots=True)
class VillageCode:
    """A village code that has passed the rules; `plain` is its ten digits."""

    plain: str

    @property
    def province(self) -> str:
        return self.plain[:2]

    @property
    def regency(self) -> str:
        return self.plain[:4]

    @property
    def district(self) -> str:
        return self.plain[:6]

    @property
    def dotted(self) -> str:
        return dotted(self.plain)


def parse_village_code(text: str) -> VillageCode:
    """Return the village code written in `text`, dotted or plain.

    Raises InvalidInputError (field `kode_desa`) for anything else, also for codes whose
    province, regency or district part is 00 or whose village number is 000.
    """
    match = _VILLAGE.fullmatch(text.strip())
    if match is None:
        raise InvalidInputError(
            say("Kode desa “%(text)s” tidak sah.", text=text.strip()),
            say("Tulis 10 angka, misalnya 51.02.01.2001 atau 5102012001."),
            field="kode_desa",
        )
    parts = match.groups()
    if "00" in parts[:3] or int(parts[0]) < 11 or parts[3].endswith("000"):  # noqa: PLR2004 - 11 is Aceh, the lowest province
        raise InvalidInputError(
            say(
                "Kode desa “%(text)s” memuat bagian yang tidak ada (00 atau 000).",
                text=text.strip(),
            ),
            say("Periksa kode pada daftar Kemendagri."),
            field="kode_desa",
        )
    return VillageCode("".join(parts))


def dotted(plain: str) -> str:
    """Show a plain region code of 2, 4, 6 or 10 digits in dotted form."""
    if len(plain) not in _LENGTHS:
        raise ValueError(f"not a region code: {plain!r}")
    parts = [plain[i : i + 2] for i in range(0, min(len(plain), 6), 2)]
    return ".".join([*parts, plain[6:]]) if plain[6:] else ".".join(parts)


def parse_region_code(text: str, digits: int, *, field: str) -> str:
    """Return the plain digits of a province, regency or district code, dotted or plain.

    `digits` is 2, 4 or 6. Raises InvalidInputError naming `field`.
    """
    plain = text.strip().replace(".", "")
    parts = [plain[i : i + 2] for i in range(0, digits, 2)]
    if not (plain.isascii() and plain.isdigit() and len(plain) == digits) or "00" in parts:
        raise InvalidInputError(
            say(
                "Kode %(kind)s “%(text)s” tidak sah.",
                kind=_LENGTHS[digits],
                text=text.strip()[:40],
            ),
            say(
                "Tulis %(digits)s angka, misalnya %(example)s.",
                digits=digits,
                example=dotted("510201"[:digits]),
            ),
            field=field,
        )
    return plain
