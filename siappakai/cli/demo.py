"""`siappakai demo`: three demonstration villages on this machine; see services.demo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from siappakai.cli.asking import agree, yes_option
from siappakai.cli.command import Group
from siappakai.cli.output import Column, Listing, note
from siappakai.services import demo as demonstration


@dataclass(frozen=True, slots=True)
class DemoSite:
    """A demonstration village that can be opened in a browser."""

    url: Annotated[str, Column("Alamat", "where it is opened")]


@dataclass(frozen=True, slots=True)
class DemoState:
    """What became of the demonstration."""

    state: Annotated[str, Column("Keadaan", "`stopped`, `removed` or `absent`")]


demo = Group("demo", help="Three demonstration villages on this very machine.")


@demo.command("start", example="siappakai demo start")
def start() -> Listing[DemoSite]:
    """Bring the demonstration up, from wherever it was left, and say where it is."""
    return Listing.of(DemoSite(url) for url in demonstration.start(note))


@demo.command("stop", example="siappakai demo stop")
def stop() -> DemoState:
    """Stop its MariaDB, nginx and PHP-FPM; its data stays."""
    demonstration.stop()
    return DemoState("stopped")


@demo.command("remove", example="siappakai demo remove --yes")
@yes_option
def remove(*, yes: bool) -> DemoState:
    """Remove every trace of it: sites, databases, accounts, folders, registry entries."""
    agree("Hapus peragaan beserta semua datanya?", yes=yes)
    return DemoState("removed" if demonstration.remove() else "absent")
