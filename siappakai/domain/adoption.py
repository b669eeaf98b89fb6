"""What is found in the data of a village that shall move in, in plain words; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from siappakai.wording import say

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found; one that `blocks` forbids to move in. `told` is a wording."""

    code: str
    blocks: bool
    told: str


def findings(report: Mapping[str, Any]) -> list[Finding]:
    """Return what a look at a village found, what forbids first."""
    found = [
        Finding(one["code"], one["blocks"], tell(one["code"], one["params"]))
        for one in report.get("findings", ())
    ]
    return sorted(found, key=lambda one: not one.blocks)


def tell(code: str, params: Params) -> str:
    """Return a finding in words; its bare code when this program does not know it."""
    words = _WORDS.get(code)
    return words(params) if words else code


def _some(names: Any) -> str:
    return ", ".join(str(name) for name in names)


_WORDS: Final[dict[str, Callable[[Params], str]]] = {
    "not_opensid": lambda p: say(
        "Bukan basis data OpenSID yang utuh: %(tables)s tidak ada.", tables=_some(p["tables"])
    ),
    "not_one_village": lambda p: say(
        "Berkas ini memuat %(count)s desa, bukan satu. Minta ekspor satu desa saja.",
        count=p["count"],
    ),
    "other_village": lambda p: say(
        "Data ini milik %(name)s dengan kode desa “%(found)s”, bukan desa yang dipilih.",
        name=p["name"],
        found=p["found"],
    ),
    "other_app_key": lambda _: say(
        "Kunci aplikasi (app_key) di folder desa bukan kunci basis data ini: keduanya bukan dari"
        " situs dan waktu yang sama."
    ),
    "other_version": lambda p: say(
        "Skema data ini %(found)s, sedang rilis yang dipilih memakai %(wanted)s. Pilih rilis yang"
        " cocok, lalu perbarui sesudah pindah.",
        found=p["found"],
        wanted=p["wanted"],
    ),
    "published_password": lambda p: say(
        "Akun %(users)s memakai kata sandi bawaan yang diketahui umum. Ganti dahulu di situs asal.",
        users=_some(p["users"]),
    ),
    "foreign_engine": lambda p: say(
        "Tabel %(tables)s memakai mesin penyimpanan yang tidak didukung.",
        tables=_some(p["tables"]),
    ),
    "double_nik": lambda p: say("%(count)s NIK dipakai lebih dari satu orang.", count=p["count"]),
    "odd_nik": lambda p: say("%(count)s NIK bukan 16 angka.", count=p["count"]),
    "long_kk": lambda p: say("%(count)s nomor KK lebih dari 16 karakter.", count=p["count"]),
    "zero_dates": lambda p: say(
        "%(count)s tanggal berisi nol (0000-00-00): %(columns)s.",
        count=p["count"],
        columns=_some(p["columns"]),
    ),
    "other_engine": lambda p: say(
        "%(count)s tabel bukan InnoDB: %(tables)s.", count=p["count"], tables=_some(p["tables"])
    ),
    "other_charset": lambda p: say(
        "%(count)s tabel bukan UTF-8: %(tables)s.", count=p["count"], tables=_some(p["tables"])
    ),
    "tables_missing": lambda p: say(
        "%(count)s tabel rilis ini tidak ada di data: %(tables)s.",
        count=p["count"],
        tables=_some(p["tables"]),
    ),
    "programs": lambda p: say(
        "%(count)s pemicu atau rutin basis data tidak ikut dipindahkan: %(names)s.",
        count=p["count"],
        names=_some(p["names"]),
    ),
    "definers": lambda p: say(
        "Tampilan (view) dibuat atas nama %(count)s pengguna lain; dijadikan milik desa ini.",
        count=p["count"],
    ),
    "files_left_out": lambda p: say(
        "%(count)s berkas tidak diambil karena berupa program, tautan atau berkas tersembunyi:"
        " %(names)s. Tema khusus perlu dipasang ulang.",
        count=p["count"],
        names=_some(p["names"]),
    ),
}
