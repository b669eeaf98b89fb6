"""Villages' databases shaped like OpenSID's: every kind of reference, and dirt of many years.

The tables are those of the stand-in app; what refers to what is taken from the reference map, so
that a reference nobody thought of here is filled all the same. The same village comes out of the
same number each time.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from playbooks.module_utils.references import Reference, ReferenceMap
from tests.shapes import Spec, specs

ROOT = Path(__file__).parent.parent
_DIRT = (
    "",
    "tab\there",
    "two\nlines",
    "back\\slash",
    'it\'s "quoted"',
    "Ñandú ä 漢",
    "NULL",
    "\\N",
)
FAMILY, PROGRAMS, GROUPS = 4, 4, 3
REGENCY_CODE = "5102"
SCHEMA_VERSION = "2024100101"


@cache
def reference_map() -> ReferenceMap:
    """The map as the modules are given it."""
    return ReferenceMap.read(facts())


@cache
def facts() -> dict[str, Any]:
    """The map as it stands in its file."""
    return dict(yaml.safe_load((ROOT / "playbooks/references.yml").read_text()))


class Village:
    """The rows of one village; `residents` of it, with so many rows in every other table."""

    def __init__(self, number: int = 1, residents: int = 40, others: int = 3) -> None:
        self.number = number
        self.code = f"{REGENCY_CODE}01{2000 + number}"
        self.residents = residents
        self.random = random.Random(number)  # noqa: S311 - the same village each time
        self.facts = reference_map()
        self.counts = dict.fromkeys(specs(), others) | {
            "config": 1,
            "tweb_penduduk": residents,
            "log_penduduk": residents + residents // 5,
            "tweb_keluarga": residents // FAMILY,
            "log_keluarga": residents // FAMILY,
            "program": PROGRAMS,
            "program_peserta": residents // 2,
            "suplemen": 2,
            "suplemen_terdata": residents // 4,
            "analisis_master": 8,
            "analisis_indikator": 8,
            "analisis_periode": 8,
            "analisis_respon": 8,
            "analisis_respon_hasil": 8,
            "analisis_respon_bukti": 8,
            "analisis_partisipasi": 8,
            "kelompok": GROUPS,
            "tweb_penduduk_umur": 4,
            "setting_aplikasi": len(_SETTINGS),
            "menu": len(_LINKS),
            "anjungan_menu": len(_LINKS),
        }

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table."""
        spec = specs()[table]
        for number in range(1, self.counts[table] + 1):
            row = {name: self._value(spec, name, number) for name in spec.columns}
            yield row | self._own(table, number, row)

    def _value(self, spec: Spec, name: str, number: int) -> Any:
        """Return what may stand in any column of its type."""
        kind = spec.columns[name]
        if name == "config_id":
            return 1
        for one in self.facts.references.get(spec.name, ()):
            if one.column == name and not one.by:
                return self._reference(one, number, is_needed=name in spec.needed)
        if name in spec.keys:
            return f"{number:08d}-0000-4000-8000-{self.code}00" if "36" in kind else number
        if "int" in kind or "double" in kind or "decimal" in kind:
            return number % 5
        return self._text(spec, name, kind, number)

    def _reference(self, one: Reference, number: int, *, is_needed: bool) -> Any:
        target = one.targets[""]
        if not is_needed and number % 11 == 10:
            # None, in two ways, and one that was deleted long ago.
            return self.random.choice([None, 0, self.counts[target] + 77])
        found = 1 + (number * 7) % self.counts[target]
        return str(found) if one.kind == "text" else found

    def _text(self, spec: Spec, name: str, kind: str, number: int) -> Any:
        if kind.startswith(("timestamp", "datetime")):
            return f"2023-0{1 + number % 9}-11 07:30:00"
        if kind == "date":
            return "0000-00-00" if number % 9 == 8 else f"2020-0{1 + number % 9}-15"
        if kind.startswith(("time", "year")):
            return "07:30:00" if kind == "time" else "2021"
        unique = any(name in columns for columns in spec.unique)
        text = f"{name} {number}" if unique else f"{name} {_DIRT[number % len(_DIRT)]}"
        limit = re.search(r"char\((\d+)\)", kind)
        return (f"{number}" if unique and limit and int(limit[1]) < 20 else text)[
            : int(limit[1]) if limit else 200
        ]

    def _own(self, table: str, number: int, row: dict[str, Any]) -> dict[str, Any]:
        special = _SPECIAL.get(table)
        return special(self, number, row) if special else {}

    def nik(self, number: int) -> str:
        """Return the NIK of a resident."""
        return f"{self.code[:6]}{self.code[6:]}{number:06d}"

    def no_kk(self, number: int) -> str:
        """Return the number of a family."""
        return f"{self.code}9{number:05d}"


def _config(village: Village, _: int, __: dict[str, Any]) -> dict[str, Any]:
    code = village.code
    return {
        "id": 1,
        "app_key": f"base64:rahasia-{code}",
        "kode_desa": code,
        "nama_desa": f"Desa {code}",
        "kode_kecamatan": code[:6],
        "kode_kabupaten": code[:4],
        "kode_propinsi": code[:2],
    }


def _resident(village: Village, number: int, _: dict[str, Any]) -> dict[str, Any]:
    family = (number - 1) // FAMILY + 1
    place = (number - 1) % FAMILY
    return {
        "nama": f"PLANTED NAME {number}",
        "nik": village.nik(number),
        "id_kk": family if family <= village.counts["tweb_keluarga"] else None,
        "kk_level": place + 1,
        "id_rtm": f"{village.code}{1 + number % 3:05d}",
        "rtm_level": 1 if number <= 3 else 2,
        "sex": 1 + number % 2,
        "tanggallahir": "0000-00-00"
        if number % 37 == 36
        else f"{1950 + number % 70}-03-0{1 + number % 9}",
        "agama_id": 1 + number % 6,
        "status": 1,
        "status_dasar": 2 if number % 10 == 0 else 1,
        "tag_id_card": f"{number:017d}",
        "email": f"warga{number}@rahasia.test",
        "email_token": f"SECRETTOKEN{number}",
        "telegram": None,
        "telegram_token": None,
    }


def _family(village: Village, number: int, _: dict[str, Any]) -> dict[str, Any]:
    return {
        "no_kk": village.no_kk(number),
        "nik_kepala": (number - 1) * FAMILY + 1,
        "kelas_sosial": 1 + number % 4,
    }


def _household(village: Village, number: int, _: dict[str, Any]) -> dict[str, Any]:
    return {"no_kk": f"{village.code}{number:05d}", "nik_kepala": number}


def _event(village: Village, number: int, _: dict[str, Any]) -> dict[str, Any]:
    """One event each; of every fifth a death that was a mistake, and was taken back."""
    if number <= village.residents:
        kind = 2 if number % 10 == 0 or number % 5 == 1 else 1
        return {
            "id_pend": number,
            "kode_peristiwa": kind,
            "tgl_peristiwa": "2022-01-01",
            "ref_pindah": None,
        }
    again = (number - village.residents - 1) * 5 + 1
    return {
        "id_pend": again,
        "kode_peristiwa": 5,
        "tgl_peristiwa": "2023-01-01",
        "ref_pindah": None,
    }


def _family_event(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    return {
        "id_kk": number,
        "tgl_peristiwa": f"2022-02-02 00:00:{number % 60:02d}",
        "id_pend": None,
    }


def _program(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    return {"sasaran": number, "slug": f"program-{number}"}


def _recipient(village: Village, number: int, _: dict[str, Any]) -> dict[str, Any]:
    program = 1 + number % PROGRAMS
    taker = {
        1: village.nik(number),
        2: village.no_kk(1 + number % village.counts["tweb_keluarga"]),
        3: f"{village.code}{1 + number % 3:05d}",
        4: str(1 + number % GROUPS),
    }[program]
    return {
        "program_id": program,
        "peserta": taker,
        "kartu_id_pend": number,
        "kartu_nik": village.nik(number),
        "kartu_nama": f"PLANTED NAME {number}",
    }


def _supplement(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    return {"sasaran": number, "slug": f"suplemen-{number}"}


def _supplemented(village: Village, number: int, _: dict[str, Any]) -> dict[str, Any]:
    target = 1 + number % 2
    most = village.counts["tweb_penduduk" if target == 1 else "tweb_keluarga"]
    return {"id_suplemen": target, "sasaran": target, "id_terdata": str(1 + number % most)}


def _analysis(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    return {"subjek_tipe": number, "id_child": number - 1}


def _of_analysis(_: Village, number: int, row: dict[str, Any]) -> dict[str, Any]:
    """Each answer is about a subject of its own kind; all have a row 1, the village too."""
    own = {"id_master": number, "id_indikator": number, "id_periode": number, "id_subjek": 1}
    return {name: value for name, value in own.items() if name in row}


def _letter(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    person = 1 + number % 5
    form = {
        "nik": str(person),
        "id_surat": "1",
        "id_pengikut": [str(person + 1)],
        f"ket_{person}": "x",
    }
    return {
        "input": json.dumps(form),
        "pemohon": json.dumps({"id_pend": person, "nik": "1", "nama": "x"}),
        "urls_id": number,
    }


def _request(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    return {
        "syarat": json.dumps({"1": str(number)}),
        "isian_form": json.dumps({"id_pend_a": number}),
    }


def _format(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    return {"syarat_surat": json.dumps(["1", "2"]), "url_surat": f"surat-{number}"}


_LINKS = (
    "artikel/1",
    "kategori/2",
    "data-suplemen/1",
    "data-kelompok/2",
    "statistik/502",
    "https://desa.example/artikel",
    "data-wilayah",
)
_SETTINGS = (
    ("dashboard_program_bantuan", "2"),
    ("anjungan_slide", "1"),
    ("anjungan_artikel", '["1","2"]'),
    ("sebutan_desa", "desa"),
    ("layanan_opendesa_token", "PLANTEDSECRET"),
)


def _menu(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    return {"link": _LINKS[number - 1], "parrent": number - 1}


def _setting(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    key, value = _SETTINGS[number - 1]
    return {"key": key, "value": value}


def _age_class(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    return {
        "nama": f"kelas {number}",
        "dari": (number - 1) * 25,
        "sampai": number * 25 - 1,
        "status": 1,
    }


def _user(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    return {
        "username": f"user{number}",
        "password": f"PLANTEDHASH{number}",
        "email": f"u{number}@x.test",
        "pamong_id": None,
    }


def _migration(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    return {"versi_database": SCHEMA_VERSION if number == 1 else f"202{number}010101"}


def _heading(_: Village, number: int, __: dict[str, Any]) -> dict[str, Any]:
    return {"kode": f"{number:03d}"}


_SPECIAL: dict[str, Any] = {
    "config": _config,
    "tweb_penduduk": _resident,
    "tweb_keluarga": _family,
    "tweb_rtm": _household,
    "log_penduduk": _event,
    "log_keluarga": _family_event,
    "program": _program,
    "program_peserta": _recipient,
    "suplemen": _supplement,
    "suplemen_terdata": _supplemented,
    "analisis_master": _analysis,
    "analisis_indikator": _of_analysis,
    "analisis_periode": _of_analysis,
    "analisis_respon": _of_analysis,
    "analisis_respon_hasil": _of_analysis,
    "analisis_respon_bukti": _of_analysis,
    "analisis_partisipasi": _of_analysis,
    "log_surat": _letter,
    "permohonan_surat": _request,
    "tweb_surat_format": _format,
    "menu": _menu,
    "anjungan_menu": _menu,
    "setting_aplikasi": _setting,
    "tweb_penduduk_umur": _age_class,
    "user": _user,
    "klasifikasi_surat": _heading,
    "migrasi": _migration,
}


def load(link: Any, database: str, village: Village) -> None:
    """Make a village's database and fill it."""
    with link.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb3")
        cursor.execute("SET SESSION foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
        cursor.execute(f"USE `{database}`")
        for name, spec in specs().items():
            cursor.execute(spec.create())
            rows = list(village.rows(name))
            fields = ", ".join(f"`{one}`" for one in spec.columns)
            places = ", ".join(["%s"] * len(spec.columns))
            cursor.executemany(
                f"INSERT INTO `{name}` ({fields}) VALUES ({places})",
                [tuple(row[one] for one in spec.columns) for row in rows],
            )
        cursor.execute("SET SESSION foreign_key_checks = 1")
        link.commit()
