"""What installing, upgrading or removing the service would do: told, with nothing changed.

What would refuse refuses here as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from siappakai.config import Settings
from siappakai.gateways.program import Program
from siappakai.gateways.systemd import Systemd
from siappakai.services import service, upgrades
from siappakai.services.exclusion import refuse_beside_make_run
from siappakai.services.service_removal import data
from siappakai.wording import say


@dataclass(frozen=True, slots=True)
class Plan:
    """The programs before (empty: none) and after, and what would be done, in order."""

    before: str
    now: str
    steps: list[str]


def of_install(settings: Settings, systemd: Systemd) -> Plan:
    """Return what `install` would do; raises what it would raise."""
    program, before = service.installable(settings), service.installed_program()
    service.variables(settings, program.folder)
    steps: list[str] = [
        *_program_laid(program),
        _units_laid(),
        say("Mutakhirkan skema registri di %(state)s; buat admin pertama.", state=settings.state),
    ]
    if systemd.is_running:
        steps.append(say("Jalankan siappakai.target; muat ulang nginx; tunggu panel siap."))
    return Plan(before.name if before else "", program.name, steps)


def of_upgrade(settings: Settings, systemd: Systemd) -> Plan:
    """Return what `upgrade` would do; raises what it would raise before it changes anything."""
    old, new = upgrades.programs(systemd)
    places = service.PLACES
    service.variables(settings, new.folder)
    first = say("Akhiri dahulu pemutakhiran yang terputus.")
    unfinished: list[str] = [first] if places.begun.exists() else []
    if new.folder == old.folder:
        return Plan(old.name, new.name, unfinished)
    busy = old.call("run", "list", "--state", "running")["total"]
    steps: list[str] = [
        *unfinished,
        *_program_laid(new),
        say("Nyalakan drain; tunggu %(count)s pekerjaan yang sedang berjalan.", count=busy),
        say("Hentikan layanan; cadangkan registri ke %(folder)s.", folder=places.backups),
        say("Mutakhirkan skema registri di %(state)s.", state=settings.state),
        _units_laid(),
        say("Jalankan siappakai.target; muat ulang nginx; tunggu panel siap."),
    ]
    return Plan(old.name, new.name, steps)


def of_uninstall(settings: Settings, systemd: Systemd, *, is_purge: bool) -> Plan:
    """Return what `uninstall` would do; raises what it would raise."""
    if is_purge:
        refuse_beside_make_run(settings)
    before, places = service.installed_program(), service.PLACES
    units = service.units(settings)
    steps: list[str] = []
    if systemd.is_running and units:
        steps.append(say("Hentikan %(units)s.", units=", ".join(units)))
    steps.append(
        say("Hapus unit, setelan nginx dan logrotate, dan aturan sudo di %(etc)s.", etc=places.etc)
    )
    gone = [places.command, places.current, *data(settings, is_purge=is_purge)]
    steps += [say("Hapus %(path)s.", path=path) for path in gone if path.exists()]
    return Plan(before.name if before else "", "", steps)


def _program_laid(program: Program) -> list[str]:
    if (program.folder / "complete").exists():
        return []
    return [say("Pasang program di %(folder)s.", folder=program.folder)]


def _units_laid() -> str:
    return say(
        "Tata unit systemd, nginx, logrotate dan tmpfiles di %(etc)s, lalu periksa.",
        etc=service.PLACES.etc,
    )
