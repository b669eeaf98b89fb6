"""`siappakai kit` and `siappakai recover`: what brings this panel back when its machine is lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TextIO

import click

from siappakai.cli.asking import is_interactive
from siappakai.cli.command import BareCommand, Group
from siappakai.cli.context import actor, settings
from siappakai.cli.output import Column, Ended, Prose, note
from siappakai.errors import InvalidInputError
from siappakai.gateways.systemd import Systemd
from siappakai.services import recovery, recovery_kits, service
from siappakai.services.recovery_aftermath import Reached


@dataclass(frozen=True, slots=True)
class KitRecord:
    """How it stands with the recovery kit."""

    state: Annotated[
        str, Column("Kit", "impossible, unconfirmed, outdated (its contents changed), confirmed")
    ]
    confirmed_at: Annotated[
        datetime | None, Column("Dipastikan", "when somebody said that it is kept")
    ]
    confirmed_by: Annotated[str, Column("Oleh", "who did")]


@dataclass(frozen=True, slots=True)
class KitText(Prose):
    """A recovery kit; what is secret in it is sealed for the recovery key."""

    name: Annotated[str, Column("Nama berkas", "what to call the file it is kept in")]
    content: Annotated[str, Column("Isi", "the text to be kept")]

    def text(self) -> str:
        return self.content


@dataclass(frozen=True, slots=True)
class ReachedRecord:
    """A server of the registry that was brought back."""

    server: Annotated[str, Column("Server", "its name")]
    problem: Annotated[str, Column("Halangan", "what keeps the panel out; empty when it got in")]


@dataclass(frozen=True, slots=True)
class RecoveredRecord:
    """What was regained, and how it was left."""

    backup: Annotated[str, Column("Cadangan", "name of the backup that was taken")]
    store: Annotated[str, Column("Penyimpanan", "store it came from")]
    taken_at: Annotated[datetime, Column("Dibuat", "when it was taken: the registry is of then")]
    villages: Annotated[int, Column("Desa", "villages it knows")]
    sites: Annotated[int, Column("Situs", "sites it knows that are on some server")]
    backup_at: Annotated[
        datetime | None, Column("Cadangan desa", "when the newest backup of a village was taken")
    ]
    lost_runs: Annotated[
        list[int], Column("Pekerjaan hilang", "at work then; settled by looking at their sites")
    ]
    cancelled_runs: Annotated[
        list[int], Column("Pekerjaan batal", "waiting then; ask for them again if wanted")
    ]
    before: Annotated[
        str, Column("Registri lama", "folder with what was there before; empty when nothing was")
    ]
    unusable: Annotated[str, Column("Dilewati", "what could not be used, and why")]
    servers: Annotated[list[ReachedRecord], Column("Server", "whether the panel gets into each")]


kit = Group("kit", help="The recovery kit: what brings this panel back on another machine.")


@kit.command("make", example="siappakai kit make")
def make() -> KitText:
    """Print the recovery kit: keep it on paper or in a file off this machine.

    What is secret in it is sealed for the recovery key; keep the two apart.
    """
    made = recovery_kits.make(by=actor())
    return KitText(made.name, made.text)


@kit.command("confirm", changes=True, example="siappakai kit confirm ABCD-EFGH")
@click.argument("number")
def confirm(number: str) -> KitRecord:
    """Say that the kit of that number is kept; doctor and panel ask for it until then."""
    return _standing(recovery_kits.confirm(number, by=actor()))


@kit.command("status", example="siappakai kit status")
def status() -> KitRecord:
    """Show whether a kit was confirmed, and still says all there is to say."""
    return _standing(recovery_kits.standing())


@click.command(
    "recover", cls=BareCommand, example="siappakai recover --kit kit-pemulihan.txt --replace"
)
@click.option("--kit", "kit_file", type=click.File("r"), required=True, help="The recovery kit.")
@click.option(
    "--key-file",
    type=click.File("r"),
    help="File with the recovery key, or - for standard input; asked for unless given.",
)
@click.option("--replace", is_flag=True, help="Copy the registry that is here, then replace it.")
@click.option(
    "--older",
    is_flag=True,
    help="Take an older backup when the newest is unusable or a store is silent.",
)
def recover(
    *, kit_file: TextIO, key_file: TextIO | None, replace: bool, older: bool
) -> Ended[RecoveredRecord]:
    """Regain a panel whose machine is lost, from its kit, the recovery key and one store.

    Install SiapPakai on a bare machine, stop it, and give this command there. The newest backup
    of the registry is verified before anything is changed. Afterwards nothing starts by itself:
    the drain is on until you turn it off. Exit code 1: some server cannot be reached.
    """
    done = recovery.recover(
        settings(),
        kit=kit_file.read(),
        identity=_identity(key_file),
        systemd=Systemd(service.PLACES.folders),
        replaces=replace,
        takes_older=older,
        by=actor(),
    )
    note(_NEXT)
    reached = [_reached(one) for one in done.regained.servers]
    record = RecoveredRecord(
        backup=done.backup,
        store=done.store,
        taken_at=done.taken_at,
        villages=done.regained.villages,
        sites=done.regained.sites,
        backup_at=done.regained.backup_at,
        lost_runs=done.ended.lost,
        cancelled_runs=done.ended.cancelled,
        before=str(done.before or ""),
        unusable=done.unusable,
        servers=reached,
    )
    return Ended(record, 1 if any(one.problem for one in reached) else 0)


_NEXT = """\
Registri dan kunci induk sudah kembali. Langkah berikutnya:
1. Jalankan panel (systemctl start siappakai.target) dan periksa: siappakai doctor.
2. Masuk dengan akun seperti saat cadangan dibuat. Akun dan token API yang dihapus sesudah saat itu
   hidup lagi: hapus lagi.
3. Server yang tidak terjangkau: perbaiki jaringannya, atau lepaskan (siappakai server abandon) lalu
   pulihkan desanya (siappakai backup restore).
4. Selama drain tidak ada yang dimulai. Bila daftar server dan situsnya benar:
   siappakai settings set drain off
5. Periksa semua situs: siappakai site health --server NAMA. Yang dipasang atau dihapus sesudah
   cadangan itu belum diketahui registri."""


def _identity(key_file: TextIO | None) -> str:
    if key_file is not None:
        return key_file.read()
    if not is_interactive():
        raise InvalidInputError(
            "Kunci pemulihan tidak diberikan.",
            "Kirim lewat masukan standar dengan --key-file -.",
            field="key",
        )
    text: str = click.prompt("Kunci pemulihan", hide_input=True, err=True)
    return text


def _reached(one: Reached) -> ReachedRecord:
    return ReachedRecord(one.server, one.problem)


def _standing(found: Any) -> KitRecord:
    return KitRecord(found.state.value, found.confirmed_at, found.confirmed_by)
