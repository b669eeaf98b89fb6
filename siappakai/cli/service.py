"""`siappakai service`: the panel as a service of this machine; root's alone."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import click

from siappakai.cli.asking import agree, typed_count, yes_option
from siappakai.cli.command import Group, MachineCommand
from siappakai.cli.context import is_rehearsal, settings
from siappakai.cli.output import Column, Listing, note
from siappakai.config import Settings
from siappakai.errors import InvalidInputError
from siappakai.gateways.program import Program
from siappakai.gateways.systemd import Systemd
from siappakai.services import service as machine_service
from siappakai.services import service_plans, service_removal, upgrades

_MINUTE = 60
_Planned = Annotated[
    list[str], Column("Akan dilakukan", "with --dry-run: what would be done, in order")
]


@dataclass(frozen=True, slots=True)
class InstalledRecord:
    """A service that was laid down."""

    program: Annotated[str, Column("Program", "its version and the mark of what it holds")]
    is_started: Annotated[bool, Column("Berjalan", "whether systemd was told to start it")]
    changed: Annotated[list[str], Column("Diubah", "what changed; empty the second time")]
    first_admin: Annotated[
        str, Column("Admin pertama", "the first account, empty unless it was made now")
    ]
    password: Annotated[str, Column("Kata sandi", "its password, shown this once")]
    planned: _Planned


@dataclass(frozen=True, slots=True)
class UpgradedRecord:
    """What an upgrade came to."""

    before: Annotated[str, Column("Sebelumnya", "the program there was")]
    now: Annotated[str, Column("Sekarang", "the program there is")]
    copy: Annotated[
        str, Column("Cadangan registri", "the registry as it was; empty if nothing changed")
    ]
    planned: _Planned


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """A unit of systemd."""

    unit: Annotated[str, Column("Unit", "its name")]
    state: Annotated[
        str, Column("Keadaan", "`active` and so on, as systemd says; empty where it does not run")
    ]


@dataclass(frozen=True, slots=True)
class LaidRecord:
    """What was laid down for the program that was asked."""

    changed: Annotated[list[str], Column("Diubah", "what changed")]
    is_checked: Annotated[bool, Column("Diperiksa", "whether systemd-analyze found it good")]


@dataclass(frozen=True, slots=True)
class UninstalledRecord:
    """What was taken away."""

    removed: Annotated[list[str], Column("Dihapus", "tasks and folders")]
    is_purged: Annotated[bool, Column("Data dihapus", "whether registry and keys went too")]
    planned: _Planned


class _Service(Group):
    command_class = MachineCommand


service = _Service("service", help="The panel as a service of this machine (systemd, nginx).")


@service.command("install", changes=True, example="siappakai service install")
def install() -> InstalledRecord:
    """Install the checkout this runs from as a service; a second time changes nothing.

    Settings are those of siappakai.toml. Where systemd does not run, everything is laid down and
    checked, and nothing started.
    """
    if is_rehearsal():
        plan = service_plans.of_install(settings(), _systemd())
        return InstalledRecord(
            plan.now, is_started=False, changed=[], first_admin="", password="", planned=plan.steps
        )
    done = machine_service.install(settings(), _systemd())
    if not done.is_started:
        note("systemd tidak berjalan di mesin ini: semua sudah ditata, tidak ada yang dijalankan.")
        note("Di mesin seperti ini panel dijalankan dengan: make run")
    return InstalledRecord(
        done.program, done.is_started, done.changed, done.first_admin, done.password, []
    )


@service.command("upgrade", changes=True, example="siappakai service upgrade --patience 60 --yes")
@click.option(
    "--patience",
    type=click.IntRange(0, 24 * 60),
    default=30,
    show_default=True,
    help="Minutes to wait for runs at work; nothing new is started meanwhile.",
)
@yes_option
def upgrade(*, patience: int, yes: bool) -> UpgradedRecord:
    """Bring the service to the checkout this runs from; back again if that does not come up.

    Waits for runs at work, saves the registry, migrates it, starts the new program and asks it
    whether it is ready. Exit code 7: it was not, and everything is as before.
    """
    if is_rehearsal():
        plan = service_plans.of_upgrade(settings(), _systemd())
        return UpgradedRecord(plan.before, plan.now, "", plan.steps)
    agree("Hentikan panel sebentar dan mutakhirkan?", yes=yes)
    done = upgrades.upgrade(settings(), _systemd(), patience_seconds=patience * _MINUTE)
    return UpgradedRecord(done.before, done.now, done.copy, [])


@service.command("status", example="siappakai service status")
def status() -> Listing[UnitRecord]:
    """Show the units of the service and their state."""
    systemd = _systemd()
    names = machine_service.units(settings())
    return Listing.of(UnitRecord(name, systemd.state(name)) for name in names)


@service.command("activate", example="siappakai service activate")
def activate() -> LaidRecord:
    """Lay down and check what this very program needs to run; nothing is started.

    Part of `service install` and `service upgrade`.
    """
    done = machine_service.activate(settings())
    return LaidRecord(done.changed, done.is_checked)


@service.command("uninstall", changes=True, example="siappakai service uninstall --yes")
@click.option("--purge", is_flag=True, help="Remove registry, keys and their copies as well.")
@click.option("--count", type=int, help="With --purge: how many villages the registry holds.")
@yes_option
def uninstall(*, purge: bool, count: int | None, yes: bool) -> UninstalledRecord:
    """Stop the service and take it away; registry and keys stay, unless --purge.

    Sites on servers are not touched by either.
    """
    agree("Hentikan dan lepas layanan ini?", yes=yes)
    if purge:
        _confirm_purge(settings(), count)
    if is_rehearsal():
        plan = service_plans.of_uninstall(settings(), _systemd(), is_purge=purge)
        return UninstalledRecord([], is_purged=False, planned=plan.steps)
    removed = service_removal.uninstall(settings(), _systemd(), is_purge=purge)
    return UninstalledRecord(removed, purge, [])


def _systemd() -> Systemd:
    return Systemd(machine_service.PLACES.folders)


def _confirm_purge(found: Settings, given: int | None) -> None:
    # Without a service the registry may still be there: this very program counts then.
    program = machine_service.installed_program() or Program(Path(sys.prefix))
    expected = program.call("village", "list")["total"] if found.state.exists() else 0
    question = f"Registri dan kuncinya akan dihapus. Ketik jumlah desa di dalamnya ({expected})"
    if typed_count(question, given, expected) != expected:
        raise InvalidInputError(
            f"Registri berisi {expected} desa; tidak ada yang dihapus.",
            f"Ulangi dengan --count {expected}.",
            field="count",
        )
