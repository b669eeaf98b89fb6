"""Lists of villages for tests: a generated one, and the real ones where they are at hand."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

HEADINGS = (
    "kode_provinsi",
    "nama_provinsi",
    "kode_kabupaten",
    "nama_kabupaten",
    "kode_kecamatan",
    "nama_kecamatan",
    "kode_desa",
    "nama_desa",
    "kode_desa_polos",
)
# Villages of each of ten districts; 133 in all.
_SIZES = (10, 10, 11, 15, 12, 15, 16, 18, 12, 14)


def official_lines() -> list[dict[str, str]]:
    """133 invented villages in ten districts, in the columns of the official lists."""
    return [
        {
            "kode_provinsi": "51",
            "nama_provinsi": "BALI",
            "kode_kabupaten": "51.02",
            "nama_kabupaten": "KAB. TABANAN",
            "kode_kecamatan": f"51.02.{district:02}",
            "nama_kecamatan": f"Kecamatan {district}",
            "kode_desa": f"51.02.{district:02}.{2000 + number}",
            "nama_desa": f"Desa {district}-{number}",
            "kode_desa_polos": f"5102{district:02}{2000 + number}",
        }
        for district, size in enumerate(_SIZES, start=1)
        for number in range(1, size + 1)
    ]


def as_csv(lines: Iterable[Mapping[str, object]], *, delimiter: str = ",") -> bytes:
    """A CSV file of lines; a key that a line lacks is an empty cell."""
    lines = list(lines)
    file = io.StringIO(newline="")
    headings = list(dict.fromkeys(key for line in lines for key in line))
    writer = csv.DictWriter(file, headings, restval="", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue().encode()


def real_list(name: str) -> bytes:
    """A real official list from the folder SIAPPAKAI_TEST_DATA; skips the test without it."""
    folder = os.environ.get("SIAPPAKAI_TEST_DATA")
    file = Path(folder or "/nonexistent") / name
    if not file.is_file():
        pytest.skip(f"SIAPPAKAI_TEST_DATA names no folder with {name}")
    return file.read_bytes()
