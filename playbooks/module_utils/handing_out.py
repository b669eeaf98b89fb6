"""Everything that is a village's, in one zip that stock OpenSID and its admins can use."""

from __future__ import annotations

import datetime as dt
import gzip
import os
import shutil
import stat
import subprocess
import zipfile
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from . import journals, mariadb, site_tree
from .definers import portable
from .fence import fenced
from .mariadb import State
from .outcome import Refusal
from .reading import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .outcome import Steps
    from .variables import LayoutVars, SiteVars

DUMP, README = "basisdata.sql.gz", "BACA-SAYA.txt"
_PIECE = 1 << 20
# Which no packing makes smaller.
_PACKED = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".zip", ".gz", ".mp4", ".docx"})
# Our own settings, with our own password; made anew below for any hosting.
_SETTINGS = "config"
_CACHE = "cache"
# Of mariadb-dump for its own client: others stumble over it.
_FOR_CLIENT = b"/*M!999999\\-"
DATABASE_PHP = """<?php
// Isi dengan basis data di hosting yang baru.
$db['default']['hostname'] = 'localhost';
$db['default']['username'] = 'ISI_PENGGUNA';
$db['default']['password'] = 'ISI_SANDI';
$db['default']['port']     = 3306;
$db['default']['database'] = 'ISI_BASIS_DATA';
$db['default']['dbcollat'] = 'utf8_general_ci';
$db['default']['stricton'] = TRUE;
"""
_README = """Data {name} ({code})
Diambil {when} UTC dari https://{domain}

Isi arsip ini adalah seluruh data desa: milik desa, dan bersifat rahasia.
  {dump:<18} basis data OpenSID, skema {schema} (rilis {release})
  desa/              folder desa: unggahan, surat, logo, tema dan app_key
  desa/app_key       kunci data desa. Jangan diganti: tanpa kunci ini data terenkripsi hilang.

Memasang di hosting lain:
1. Pasang kode OpenSID rilis {release}.
2. Buat basis data kosong (utf8_general_ci) dan penggunanya, lalu impor {dump}
   lewat phpMyAdmin, atau: gunzip < {dump} | mysql -u PENGGUNA -p BASIS_DATA
3. Ganti folder desa/ milik OpenSID dengan folder desa/ di arsip ini.
4. Isi pengguna, sandi dan nama basis data di desa/config/database.php.
5. Buka situsnya. Akun dan sandi tetap seperti semula.

Kembali ke SiapPakai: siappakai village adopt {code} --files ARSIP_INI
"""


def hand_out(layout: LayoutVars, site: SiteVars, target: Path, owner: int, steps: Steps) -> int:
    """Write a village's archive for `owner` (a user id) alone; return its size in bytes.

    Raises Refusal `not_whole` when the site is not installed, or its dump has no end.
    """
    with (
        fenced(layout["lock_dir"], site["slug"], site["run_token"]),
        closing(mariadb.administrator(layout["db_socket"])) as admin,
    ):
        with steps.step("check"):
            journals.require_rest(site)
            note = site_tree.read_note(site["folder"])
            state = mariadb.state_of(admin, site["database"], site["slug"])
            if mariadb.believed(state, note) is not State.COMPLETE or note.get("removing"):
                raise _not_whole(site["slug"], "it is not installed")
        target.parent.mkdir(mode=0o711, exist_ok=True)
        partial = target.with_suffix(".partial")
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w") as archive:
                _fill(archive, layout, site, steps)
            os.chown(partial, owner, -1)
            partial.rename(target)
        finally:
            partial.unlink(missing_ok=True)
    return target.stat().st_size


def _fill(archive: zipfile.ZipFile, layout: LayoutVars, site: SiteVars, steps: Steps) -> None:
    archive.writestr(README, _readme(site))
    archive.writestr(f"desa/{_SETTINGS}/database.php", DATABASE_PHP)
    with (
        steps.step("dump"),
        member(archive, DUMP) as dump,
        gzip.open(dump, "wb", compresslevel=6) as packed,
    ):
        write_dump(layout["db_socket"], site["database"], packed)
    with steps.step("pack") as step:
        count = 0
        for path, content in _files(f"{site['folder']}/desa"):
            with content, member(archive, f"desa/{path}") as packed_file:
                shutil.copyfileobj(content, packed_file, _PIECE)
            count += 1
        step.detail = f"{count} files"


def member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """Open a new member of an archive; what no packing makes smaller is not packed."""
    info = zipfile.ZipInfo(name, dt.datetime.now(dt.UTC).timetuple()[:6])
    is_packed = PurePosixPath(name).suffix.lower() in _PACKED
    info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return archive.open(info, "w", force_zip64=True)


def write_dump(socket: str, database: str, target: IO[bytes] | gzip.GzipFile) -> None:
    """Write a dump of a database that any client takes; raises Refusal `not_whole`."""
    tail = b""
    with (
        reader(socket, database, "ekspor") as one,
        subprocess.Popen(  # noqa: S603 - fixed programs, no shell
            mariadb.backup_command(socket, database, one.user),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=one.environment,
        ) as dump,
    ):
        if dump.stdout is None:
            raise OSError("mariadb-dump has no output")
        for piece in portable(dump.stdout):
            if not piece.startswith(_FOR_CLIENT):
                target.write(piece)
            tail = (tail + piece)[-200:]
    if dump.returncode:
        raise subprocess.CalledProcessError(dump.returncode, dump.args)
    if b"-- Dump completed" not in tail:
        raise _not_whole(database, "its dump has no end")


def _files(root: str) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the plain files below a folder that is the village's: none of its links is followed."""
    for folder, folders, names, descriptor in os.fwalk(root, follow_symlinks=False):
        below = PurePosixPath(folder).relative_to(root)
        if folder == root:
            folders[:] = [name for name in folders if name not in {_SETTINGS, _CACHE}]
        for name in sorted(names):
            opened = _plain(name, descriptor)
            if opened is not None:
                shown = os.fsencode(str(below / name)).decode(errors="replace")
                yield shown, opened


def _plain(name: str, folder: int) -> IO[bytes] | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError:
        return None  # a link, a socket, or gone since it was listed
    file = os.fdopen(descriptor, "rb")
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return file
    file.close()
    return None


def _readme(site: SiteVars) -> str:
    return _README.format(
        name=site["identity"]["nama_desa"],
        code=site["code"],
        when=dt.datetime.now(dt.UTC).strftime("%d-%m-%Y %H:%M"),
        domain=site["domain"],
        schema=site["schema_version"],
        release=site["release"],
        dump=DUMP,
    )


def _not_whole(name: str, reason: str) -> Refusal:
    return Refusal(
        "not_whole",
        f"{name} cannot be handed out: {reason}. Check the site, then run this again.",
        slug=name,
        reason=reason,
    )
