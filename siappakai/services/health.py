"""Is this installation well? What the panel and `siappakai doctor` show, and what to mend."""

from __future__ import annotations

import math
import os
import pwd
import shutil
import stat
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy.exc import DBAPIError, IntegrityError

from siappakai import dispatch
from siappakai.ansible.plays import CATALOGUE
from siappakai.config import share_folder
from siappakai.credentials import load_key_ring, read_keys
from siappakai.errors import SiapPakaiError, UnreachableError
from siappakai.models import Setting, db, registry_now, utc_now
from siappakai.models.app import current_settings
from siappakai.models.migrating import registry_revisions
from siappakai.models.transactions import transaction
from siappakai.services import keys, own_certificate, recovery_checks, servers
from siappakai.services.checks import Check, judged

_LAST_TICK: Final = "last_tick_at"
_LAST_LOOKOUT: Final = "last_lookout_at"
# Its round is short; what it looks at may keep it waiting for a network that does not answer.
_LOOKOUT_SECONDS: Final = 120
# One may be late behind the settling of lost runs; three in a row are not.
_TICKS_MISSED: Final = 3
_FREE_BYTES: Final = 1024**3
_GIB: Final = 1024**3
_KEY_MODE: Final = 0o600
_CERTIFICATE_LEFT: Final = timedelta(days=14)
_PROGRAMS: Final = ("git", "ssh")


def checkup() -> list[Check]:
    """Look at everything this installation needs; nothing is changed.

    What needs the registry or the queue is left out while that does not answer.
    """
    registry, queue = _registry(), _queue()
    checks = [_state_folder(), _disk(), _programs(), _ansible(), _playbooks(), registry, queue]
    if registry.ok:
        checks += [_key_file(), _clock(), look_at_lookout(), _server_clocks(), _server_disks()]
        checks += recovery_checks.look()
    if own_certificate.is_used():
        checks.append(_certificate())
    if queue.ok:
        checks.append(_workers())
    return checks


def readiness() -> list[Check]:
    """Look at what it takes to answer people and to play runs: registry, queue, clock.

    Quick, for a load balancer that asks every few seconds. The clock is left out while the
    registry does not answer.
    """
    registry, queue = _registry(), _queue()
    return [registry, queue, _clock()] if registry.ok else [registry, queue]


def note_tick() -> None:
    """Keep the time of the clock's round that ends now."""
    _note_round(_LAST_TICK, by="clock")


def last_tick_at() -> datetime | None:
    """Return when the clock last went round, by the registry's time; None before the first."""
    return _last_round(_LAST_TICK)


def note_lookout() -> None:
    """Keep the time of the lookout's round that ends now."""
    _note_round(_LAST_LOOKOUT, by="lookout")


def last_lookout_at() -> datetime | None:
    """Return when the lookout last went round, by the registry's time; None before the first."""
    return _last_round(_LAST_LOOKOUT)


def _note_round(key: str, *, by: str) -> None:
    try:
        with transaction() as session:
            now = registry_now(session).isoformat()
            session.merge(Setting(key=key, value=now, updated_by=by))
    except IntegrityError:
        # The very first round, and another one noted it at the same moment.
        return


def _last_round(key: str) -> datetime | None:
    stored = db.session.get(Setting, key, populate_existing=True)
    return datetime.fromisoformat(stored.value) if stored is not None else None


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


def _queue() -> Check:
    settings = current_settings()
    ok = dispatch.is_reachable(settings)
    where = urlsplit(settings.queue_url)
    return judged(
        "queue",
        ok=ok,
        # A password may stand in the URL; host and path may not.
        detail=f"Redis {'menjawab' if ok else 'tidak menjawab'}: {where.hostname or where.path}",
        todo="Jalankan layanan Redis, atau make run; periksa redis_url.",
    )


def _registry() -> Check:
    try:
        present, head = registry_revisions()
    except DBAPIError as error:
        return Check("registry", False, str(error.orig), "Periksa database_url dan layanannya.")  # noqa: FBT003 - ok
    return judged(
        "registry",
        ok=present == head,
        detail=f"revisi {present or 'belum ada'}, terbaru {head}",
        todo="Jalankan: siappakai registry upgrade.",
    )


def _key_file() -> Check:
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


def _clock() -> Check:
    last = last_tick_at()
    settings = current_settings()
    age = (registry_now(db.session()) - last).total_seconds() if last else math.inf
    return judged(
        "clock",
        ok=age <= _TICKS_MISSED * settings.tick_seconds,
        detail=f"berdetak terakhir {age:.0f} detik lalu" if last else "belum pernah berdetak",
        todo="Jalankan jam dan pekerjanya (make run atau layanannya); lihat "
        f"{settings.state}/log/clock.log dan clock-worker.log.",
    )


def look_at_lookout() -> Check:
    """Tell whether somebody looks out for what goes wrong."""
    last = last_lookout_at()
    age = (registry_now(db.session()) - last).total_seconds() if last else math.inf
    return judged(
        "lookout",
        ok=age <= _LOOKOUT_SECONDS,
        detail=f"berjaga terakhir {age:.0f} detik lalu" if last else "belum pernah berjaga",
        todo="Jalankan penjaga peringatan (make run atau layanannya): tanpa dia tidak ada "
        f"peringatan; lihat {current_settings().state}/log/lookout.log.",
    )


def _workers() -> Check:
    counts = dispatch.worker_counts(current_settings())
    return judged(
        "workers",
        ok=all(counts.values()),
        detail=", ".join(f"{queue}: {count}" for queue, count in counts.items()),
        todo="Jalankan pekerja antrean yang nol (make run atau layanannya).",
    )


def _server_clocks() -> Check:
    limit = current_settings().server_max_skew_seconds
    return _about_servers(
        "server_clocks",
        lambda facts: (
            f"{facts['skew_seconds']} detik" if abs(facts["skew_seconds"]) > limit else ""
        ),
        todo="Nyalakan sinkronisasi waktu (NTP) di server itu, lalu: siappakai server probe NAMA.",
    )


def _server_disks() -> Check:
    least = current_settings().server_min_free_bytes
    return _about_servers(
        "server_disks",
        lambda facts: (
            f"{facts['disk_free_bytes'] / _GIB:.1f} GiB kosong"
            if facts["disk_free_bytes"] < least
            else ""
        ),
        todo="Kosongkan atau perbesar disk server itu, lalu: siappakai server probe NAMA.",
    )


def _certificate() -> Check:
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


def _about_servers(name: str, problem: Callable[[dict[str, Any]], str], *, todo: str) -> Check:
    """Judge all servers by the facts of their last probe."""
    probed = [server for server in servers.list_servers() if server.facts]
    found = {server.name: problem(server.facts) for server in probed}
    problems = [f"{server}: {text}" for server, text in found.items() if text]
    return judged(
        name,
        ok=not problems,
        detail="; ".join(problems) or f"{len(probed)} server baik",
        todo=todo,
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
