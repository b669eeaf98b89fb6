"""A village out of a gabungan as one archive that stock OpenSID can use."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .extracting import Rebuilt, Wish, rebuilt
from .handing_out import DATABASE_PHP, DUMP, README, member, write_dump

if TYPE_CHECKING:
    from .outcome import Steps
    from .variables import ExtractSecrets

STATE = "keadaan.json"
_README = """Desa {code}, diambil dari basis data gabungan
{complete}

Isi arsip ini adalah data desa: milik desa, dan bersifat rahasia.
  {dump:<18} basis data OpenSID rilis {release} untuk desa ini saja (config.id 1)
  desa/app_key       kunci baru; yang lama tidak pernah ada di gabungan
  {state:<18} baris per tabel, dan apa yang tidak ada di sini

Unggahan (foto, surat, dokumen) tidak ada di gabungan: ambil dari folder desa/ yang lama.
Sandi, PIN layanan mandiri dan token tidak pernah masuk gabungan, jadi semuanya baru:
  akun     {user}
  sandi    {password}
Akun lain tidak dapat masuk sampai sandinya diganti. Hapus berkas ini setelah sandi diganti.

Memasang:
1. Pasang kode OpenSID rilis {release}.
2. Buat basis data kosong (utf8_general_ci) dan penggunanya, lalu impor {dump}
   lewat phpMyAdmin, atau: gunzip < {dump} | mysql -u PENGGUNA -p BASIS_DATA
3. Salin desa/app_key ke folder desa/, isi desa/config/database.php, lalu buka situsnya.
"""


def take_out(
    socket: str,
    wish: Wish,
    new: ExtractSecrets,
    *,
    release: str,
    target: Path,
    owner: int,
    steps: Steps,
) -> dict[str, Any]:
    """Write a village's archive for `owner` (a user id) alone; return what is in it."""
    target.parent.mkdir(mode=0o711, exist_ok=True)
    partial = target.with_suffix(".partial")
    try:
        with rebuilt(socket, wish, new, steps) as found, steps.step("dump"):
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w") as archive:
                archive.writestr(README, _readme(wish, found, new, release))
                archive.writestr(STATE, json.dumps(_told(wish, found), indent=1))
                archive.writestr("desa/app_key", new["app_key"])
                archive.writestr("desa/config/database.php", DATABASE_PHP)
                _dump(archive, socket, wish)
            told = _told(wish, found)
        os.chown(partial, owner, -1)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    return told


def _readme(wish: Wish, found: Rebuilt, new: ExtractSecrets, release: str) -> str:
    complete = "Lengkap: semua data desa ada di sini."
    if found.missing:
        told = ", ".join(f"{name} ({share})" for name, share in found.missing.items())
        complete = f"TIDAK LENGKAP. Tidak ada, atau disamarkan: {told}"
    return _README.format(
        code=wish.code,
        complete=complete,
        release=release,
        dump=DUMP,
        state=STATE,
        user=found.user or "-",
        password=new["password"] if found.user else "-",
    )


def _dump(archive: zipfile.ZipFile, socket: str, wish: Wish) -> None:
    with member(archive, DUMP) as entry, gzip.open(entry, "wb", compresslevel=6) as packed:
        write_dump(socket, wish.scratch, packed)


def _told(wish: Wish, found: Rebuilt) -> dict[str, Any]:
    """Return what was taken out: rows of each table, what is missing, what was found odd."""
    tables = found.manifest.tables
    left = {name: told["source"] for name, told in tables.items() if told["state"] == "unknown"}
    return {
        "code": wish.code,
        "rows": found.rows,
        "tables": {name: told["expected"] for name, told in tables.items() if told["expected"]},
        "left": left,
        "missing": dict(found.missing),
        "residents": found.manifest.statistics.get("penduduk", 0),
        "quality": found.manifest.quality,
    }
