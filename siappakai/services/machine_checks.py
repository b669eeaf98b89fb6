"""The machine and the program here: folder, disk, programs, key, the panel's certificate."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import sys
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

from siappakai.ansible.plays import CATALOGUE
from siappakai.config import share_folder
from siappakai.credentials import load_key_ring, read_keys
from siappakai.errors import SiapPakaiError, UnreachableError
from siappakai.gateways import machine
from siappakai.models import utc_now
from siappakai.models.app import current_settings
from siappakai.services import keys, own_certificate
from siappakai.services.checks import Check, judged

_FREE_BYTES: Final = 1024**3
_GIB: Final = 1024**3
_KEY_MODE: Final = 0o600
_CERTIFICATE_LEFT: Final = timedelta(days=14)
_PROGRAMS: Final = ("git", "ssh")


def look() -> list[Check]:
    """Look at what needs neither registry nor queue; nothing is changed."""
    return [_state_folder(), _disk(), _time(), _programs(), _ansible(), _playbooks()]


def _state_folder() -> Check:
    folder = current_settings().state
    return judged(
        "state_folder",
        ok=folder.is_dir() and os.access(folder, os.W_OK | os.X_OK),
        detail=f"{folder} untuk {_user_name(os.geteuid())}",
        todo=f"Buat folder itu, milik pengguna yang menjalankan panel: install -d -m 750 {folder}",
    )


def _disk() -> Check:
    folder = current_settings().state
    free = shutil.disk_usage(folder if folder.is_dir() else "/").free
    return judged(
        "disk",
        ok=free >= _FREE_BYTES,
        detail=f"{free / _GIB:.1f} GiB kosong di {folder}",
        todo=f"Kosongkan sampai sedikitnya {_FREE_BYTES // _GIB} GiB.",
    )


def _time() -> Check:
    # A wrong clock lets nobody in by TOTP and plays schedules at the wrong time.
    kept = machine.is_clock_kept()
    words = {True: "disinkronkan", False: "tidak disinkronkan", None: "tidak dapat ditanyakan"}
    return judged(
        "time",
        ok=kept is not False,
        detail=f"jam mesin ini {words[kept]}",
        todo="Nyalakan NTP: timedatectl set-ntp true (atau pasang chrony).",
    )


def _programs() -> Check:
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    return judged(
        "programs",
        ok=not missing,
        detail=f"tidak ada: {', '.join(missing)}" if missing else ", ".join(_PROGRAMS),
        todo="apt install git openssh-client",
    )


def _ansible() -> Check:
    program = Path(sys.executable).parent / "ansible-playbook"
    return judged(
        "ansible",
        ok=os.access(program, os.X_OK),
        detail=f"ansible-core {version('ansible-core')}, {program}",
        todo="Pasang ulang ketergantungan Python: uv sync.",
    )


def _playbooks() -> Check:
    folder, templates = share_folder("playbooks"), share_folder("templates")
    wanted = [folder / play.playbook for play in CATALOGUE.values()] + [templates / "server"]
    missing = [str(path) for path in wanted if not path.exists()]
    return judged(
        "playbooks",
        ok=not missing,
        detail=f"tidak ada: {', '.join(missing)}" if missing else str(folder),
        todo="Pasang ulang SiapPakai; berkasnya tidak lengkap.",
    )


def look_at_key_file() -> Check:
    """Tell whether the key is there, closed to others, and opens what is sealed."""
    path = current_settings().credentials_file
    sealed = keys.sealed_example()
    try:
        found = path.stat()
    except FileNotFoundError:
        return judged(
            "key_file",
            ok=False,
            detail=f"{path} tidak ada",
            todo="Kembalikan dari cadangan: tanpa kunci ini rahasia tersimpan tidak terbuka."
            if sealed
            else "Jalankan: siappakai registry upgrade.",
        )
    problem = _key_problem(path, found, sealed)
    return judged(
        "key_file",
        ok=not problem,
        detail=problem or f"{path} tertutup dan membuka rahasia tersimpan",
        todo=f"chown {_user_name(os.geteuid())} {path}; chmod 600 {path}; "
        "bila isinya salah, kembalikan dari cadangan.",
    )


def _key_problem(path: Path, found: os.stat_result, sealed: str) -> str:
    mode = stat.S_IMODE(found.st_mode)
    if mode != _KEY_MODE:
        return f"{path} bermode {mode:04o}, seharusnya 0600"
    if found.st_uid != os.geteuid():
        return f"{path} milik {_user_name(found.st_uid)}, bukan {_user_name(os.geteuid())}"
    try:
        ring = load_key_ring(path)
        if len(read_keys(path)) > 1:
            return "penggantian kunci terputus; jalankan: siappakai registry rotate-key"
        if sealed:
            ring.unseal(sealed)
    except SiapPakaiError as error:
        return error.what
    return ""


def look_at_certificate() -> Check:
    """Tell whether browsers will go on opening this panel."""
    try:
        until = own_certificate.valid_until()
    except UnreachableError as error:
        return Check("certificate", False, str(error.what), str(error.todo))  # noqa: FBT003 - ok
    left = until - utc_now()
    return judged(
        "certificate",
        ok=left > _CERTIFICATE_LEFT,
        detail=f"{own_certificate.name()} sampai {until:%Y-%m-%d}"
        + (f", {left.days} hari lagi" if left > timedelta() else ": sudah habis"),
        todo=f"Perbarui {current_settings().certificate}, lalu muat ulang nginx.",
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
