"""From one program of the service to the next, and back when the next does not come up.

The old program is called for what concerns the registry as it was, the new one for what it
makes of it. What was begun is noted first: the next upgrade ends one that was cut short before
anything else. A program that serves is left to serve: going back would lose what was written
since.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from siappakai.config import Settings
from siappakai.errors import ConflictError, NotFoundError, RefusedError, SiapPakaiError
from siappakai.gateways.program import Program
from siappakai.gateways.registry_copy import restore_registry, save_registry
from siappakai.gateways.systemd import Systemd
from siappakai.services import service
from siappakai.services.exclusion import alone
from siappakai.services.readiness import await_ready
from siappakai.wording import say

_PAUSE_SECONDS: Final = 0.5
# As long as a panel that was started a moment ago may take.
_LOOK_SECONDS: Final = 20.0
# Older ones are removed once an upgrade has succeeded.
_KEPT_COPIES: Final = 5


class RolledBackError(SiapPakaiError):
    """An upgrade failed; the program and the registry from before are at work again."""

    exit_code = 7


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The programs before and after, and the copy of the registry, empty if nothing changed."""

    before: str
    now: str
    copy: str


@dataclass(frozen=True, slots=True)
class _Begun:
    """What is needed to take an upgrade back. `copy` is empty until the registry was saved."""

    old: str
    copy: str
    was_draining: bool

    @staticmethod
    def file() -> Path:
        return service.PLACES.begun

    @classmethod
    def found(cls) -> Self | None:
        file = cls.file()
        return cls(**json.loads(file.read_text())) if file.exists() else None

    def note(self) -> None:
        draft = self.file().with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(self.file())


def upgrade(settings: Settings, systemd: Systemd, *, patience_seconds: float) -> Upgraded:
    """Bring the service to the program of the checkout this runs from.

    Runs at work are waited for, `patience_seconds` at most. Raises NotFoundError without a
    service, RefusedError without systemd, ConflictError when runs do not end, RolledBackError
    when the new program did not come up.
    """
    programs(systemd)
    with alone(service.PLACES.root):
        return _upgrade(settings, systemd, patience_seconds=patience_seconds)


def _upgrade(settings: Settings, systemd: Systemd, *, patience_seconds: float) -> Upgraded:
    end_unfinished(settings, systemd)
    old, new = programs(systemd)
    if new.folder == old.folder:
        return Upgraded(old.name, new.name, "")
    service.lay_program(settings, service.checkout())
    return change_program(settings, systemd, old, new, patience_seconds=patience_seconds)


def change_program(
    settings: Settings, systemd: Systemd, old: Program, new: Program, *, patience_seconds: float
) -> Upgraded:
    """Stop the old program, start the new one on its migrated registry; or take it all back."""
    is_draining = bool(old.call("settings", "get", "drain")["items"][0]["value"])
    begun = _Begun(str(old.folder), "", is_draining)
    begun.note()
    try:
        _drain(old, patience_seconds)
        systemd.stop()
        begun = replace(begun, copy=str(_save(settings, old)))
        begun.note()
    except Exception as error:
        # Whatever it was: a panel that stands still is worse.
        _take_back(settings, systemd, begun)
        if not isinstance(error, OSError):
            raise
        raise SiapPakaiError(
            say("Pemutakhiran berhenti sebelum dimulai: %(reason)s", reason=error),
            say("Program lama bekerja kembali. Betulkan mesinnya (disk, hak akses), lalu ulangi."),
        ) from error
    try:
        _start(settings, systemd, new)
    except Exception as error:
        _take_back(settings, systemd, begun)
        raise RolledBackError(
            say("Pemutakhiran ke %(program)s gagal: %(reason)s", program=new.name, reason=error),
            say(
                "Program %(program)s dan registri dari sebelumnya sudah bekerja kembali; "
                "cadangannya %(copy)s.",
                program=old.name,
                copy=begun.copy,
            ),
        ) from error
    _end_drain(new, begun)
    begun.file().unlink()
    _tidy(keep=(old, new))
    return Upgraded(old.name, new.name, begun.copy)


def programs(systemd: Systemd) -> tuple[Program, Program]:
    """Return the program in use and that of the checkout this runs from.

    Raises NotFoundError and RefusedError as `upgrade` does.
    """
    if not systemd.is_running:
        raise RefusedError(
            say("systemd tidak berjalan di mesin ini: layanan tidak dapat dihentikan dari sini."),
            say("Hentikan make run, mutakhirkan folder sumber, lalu jalankan make run lagi."),
        )
    return _program_in_use(), service.program_of(service.checkout())


def _program_in_use() -> Program:
    found = service.installed_program()
    if found is None:
        raise NotFoundError(
            say("Layanan belum terpasang di mesin ini."), say("Pasang dahulu: make service.")
        )
    return found


def _drain(old: Program, patience_seconds: float) -> None:
    old.call("settings", "set", "drain", "on")
    until = time.monotonic() + patience_seconds
    while busy := old.call("run", "list", "--state", "running")["total"]:
        if time.monotonic() > until:
            raise ConflictError(
                say("%(count)s pekerjaan masih berjalan; tidak ada yang diubah.", count=busy),
                say("Tunggu atau batalkan, lalu ulangi perintah ini."),
            )
        time.sleep(_PAUSE_SECONDS)


def _end_drain(program: Program, begun: _Begun) -> None:
    if not begun.was_draining:
        program.call("settings", "set", "drain", "off")


def _save(settings: Settings, old: Program) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    file = service.PLACES.backups / f"registry-{stamp}-{old.name}"
    save_registry(settings.registry_url, file)
    return file


def _start(settings: Settings, systemd: Systemd, program: Program) -> None:
    program.call("registry", "upgrade")
    program.call("service", "activate")
    systemd.start()
    systemd.reload_nginx()
    await_ready(settings, service.PLACES.socket)


def _take_back(settings: Settings, systemd: Systemd, begun: _Begun) -> None:
    """Bring the old program and registry back to work; raises SiapPakaiError saying how far."""
    old = Program(Path(begun.old))
    try:
        if begun.copy:
            systemd.stop()
            restore_registry(settings.registry_url, Path(begun.copy))
            if service.installed_program() != old:
                old.call("service", "activate")
        systemd.start()
        systemd.reload_nginx()
        await_ready(settings, service.PLACES.socket)
        _end_drain(old, begun)
    except SiapPakaiError as error:
        raise SiapPakaiError(
            say("Pemutakhiran gagal, dan kembali ke semula juga: %(reason)s", reason=error),
            say(
                "Perbaiki sebabnya lalu ulangi: cadangan %(copy)s dikembalikan lebih dahulu.",
                copy=begun.copy,
            ),
        ) from error
    begun.file().unlink()


def end_unfinished(settings: Settings, systemd: Systemd) -> None:
    """End an upgrade that was cut short, if there is one; raises SiapPakaiError.

    It is taken back unless its new program serves already. What the registry holds by then is
    saved first, whatever it is.
    """
    begun = _Begun.found()
    if begun is None:
        return
    if _serves(settings, begun):
        _end_drain(_program_in_use(), begun)
        begun.file().unlink()
        return
    if _is_changed(begun):
        _save(settings, _program_in_use())
    _take_back(settings, systemd, begun)


def _is_changed(begun: _Begun) -> bool:
    """Tell whether the new program was put in use, so that it may have served."""
    now = service.installed_program()
    return bool(begun.copy) and now is not None and now != Program(Path(begun.old))


def _serves(settings: Settings, begun: _Begun) -> bool:
    if not _is_changed(begun):
        return False
    try:
        await_ready(settings, service.PLACES.socket, _LOOK_SECONDS)
    except SiapPakaiError:
        return False
    return True


def _tidy(keep: tuple[Program, ...]) -> None:
    """Remove programs and copies nobody goes back to."""
    places = service.PLACES
    kept = {program.folder for program in keep}
    for folder in places.programs.iterdir():
        if folder not in kept:
            shutil.rmtree(folder)
    for file in sorted(places.backups.glob("registry-*"))[:-_KEPT_COPIES]:
        file.unlink()
