"""The panel as a service of this machine: laid down, looked at, taken away. Root's business.

Programs lie side by side in folders named for what they hold. Each lays down its own units and
settings (`activate`), so that going back to a program brings back what belongs to it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from siappakai import __version__
from siappakai.config import Settings
from siappakai.domain.naming import check_certificate
from siappakai.errors import ConflictError, InvalidInputError, RefusedError, SiapPakaiError
from siappakai.gateways.program import Program, fingerprint
from siappakai.gateways.systemd import TARGET, Systemd, verify_nginx, verify_units
from siappakai.services import own_certificate
from siappakai.services.exclusion import alone, refuse_beside_make_run
from siappakai.services.listening import listen_address
from siappakai.services.local_plays import play_here
from siappakai.services.readiness import await_ready
from siappakai.wording import say

# A name nginx may be told to answer to.
_HOST: Final = re.compile(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_IPV6: Final = Path("/proc/net/if_inet6")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a service lies on its machine."""

    root: Path = Path("/opt/siappakai")
    etc: Path = Path("/etc")
    backups: Path = Path("/var/backups/siappakai")
    socket: Path = Path("/run/siappakai-panel/http.sock")
    command: Path = Path("/usr/local/bin/siappakai")
    account: str = "siappakai"

    @property
    def programs(self) -> Path:
        return self.root / "programs"

    @property
    def current(self) -> Path:
        """A link to the program in use."""
        return self.root / "current"

    @property
    def units(self) -> Path:
        return self.etc / "systemd" / "system"

    @property
    def begun(self) -> Path:
        """What an upgrade notes before it begins; gone once it has ended."""
        return self.root / "upgrade.json"

    @property
    def folders(self) -> Path:
        """What systemd-tmpfiles makes at boot."""
        return self.etc / "tmpfiles.d" / "siappakai.conf"


PLACES = Places()


@dataclass(frozen=True, slots=True)
class Laid:
    """What laying a program down came to: the tasks that changed something, what was checked."""

    changed: list[str]
    is_checked: bool


@dataclass(frozen=True, slots=True)
class Installed:
    """A service. `first_admin` and `password` are empty unless the first account was made now."""

    program: str
    changed: list[str]
    is_started: bool
    first_admin: str = ""
    password: str = ""


def installed_program() -> Program | None:
    """Return the program in use; None when there is no service."""
    return Program(PLACES.current.resolve()) if PLACES.current.is_symlink() else None


def checkout() -> Path:
    """Return the checkout this program runs from; raises RefusedError for an installed one."""
    folder = Path(__file__).parents[2]
    if not (folder / "uv.lock").is_file() or not (folder / ".uv" / "bin" / "uv").is_file():
        raise RefusedError(
            say("Program ini sudah terpasang; yang baru dipasang dari foldernya sendiri."),
            say("Di folder sumber SiapPakai: make service, atau make upgrade."),
        )
    return folder


def program_of(source: Path) -> Program:
    """Return the program a checkout holds, installed or not yet."""
    return Program(PLACES.programs / f"{__version__}-{fingerprint(source)}")


def lay_program(settings: Settings, source: Path) -> None:
    """Put the program of a checkout beside those that are there; nothing is switched."""
    play_here(
        "panel.yml",
        {
            "panel_checkout": str(source),
            "panel_uv": str(source / ".uv" / "bin" / "uv"),
            "panel_state": str(settings.state),
            "panel_run_dir": str(settings.run_dir),
            "panel_program": str(PLACES.root),
            "panel_environment": str(program_of(source).folder),
            "panel_is_service": True,
            "panel_local_server": settings.local_server,
        },
    )


def install(settings: Settings, systemd: Systemd) -> Installed:
    """Make the panel a service, from the checkout this runs from; a second time nothing changes.

    Raises ConflictError when another program is in use, or `make run` is at work.
    """
    program = installable(settings)
    with alone(PLACES.root):
        return _install(settings, systemd, program)


def installable(settings: Settings) -> Program:
    """Return the program `install` puts in use; raises ConflictError as it does."""
    before, program = installed_program(), program_of(checkout())
    if before is not None and before.folder != program.folder:
        raise ConflictError(
            say("Layanan sudah terpasang dengan program %(program)s.", program=before.name),
            say("Untuk program yang baru: make upgrade."),
        )
    refuse_beside_make_run(settings)
    return program


def _install(settings: Settings, systemd: Systemd, program: Program) -> Installed:
    lay_program(settings, checkout())
    changed = program.call("service", "activate")["changed"]
    program.call("registry", "upgrade")
    first = program.call("user", "first")
    if systemd.is_running:
        if changed:
            systemd.restart()
        else:
            systemd.start()
        systemd.reload_nginx()
        await_ready(settings, PLACES.socket)
    return Installed(
        program.name, changed, systemd.is_running, first["username"], first["password"]
    )


def activate(settings: Settings) -> Laid:
    """Lay down what systemd, nginx and logrotate need to run this very program, and check it.

    Raises RefusedError for a checkout, whose files are anybody's, and SiapPakaiError with the
    complaint of systemd or nginx, whose settings are then as they were: villages may be served
    by it.
    """
    program = Path(sys.prefix)
    if program.parent != PLACES.programs:
        raise RefusedError(
            say("Program di %(folder)s tidak terpasang sebagai layanan.", folder=program),
            say("Di folder sumber SiapPakai: make service, atau make upgrade."),
        )
    with _kept(PLACES.etc / "nginx" / "conf.d" / "siappakai-panel.conf"):
        changed = play_here("service.yml", variables(settings, program))
        laid = [PLACES.units / TARGET, *sorted(PLACES.units.glob("siappakai-*.service"))]
        is_checked = verify_units(laid)
        verify_nginx(PLACES.etc / "nginx" / "nginx.conf")
    return Laid(changed, is_checked)


@contextmanager
def _kept(file: Path) -> Iterator[None]:
    """Bring a file back as it was, absence included, when what is done meanwhile fails."""
    before = file.read_bytes() if file.exists() else None
    try:
        yield
    except SiapPakaiError:
        if before is None:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(before)
        raise


def variables(settings: Settings, program: Path) -> dict[str, object]:
    """Return what the playbook is told; raises InvalidInputError for settings that cannot be."""
    chain, key = check_certificate(settings.certificate, settings.certificate_key)
    told = [f"SIAPPAKAI_TRUSTED_PROXIES={max(1, settings.trusted_proxies)}"]
    if chain:
        told.append("SIAPPAKAI_SECURE_COOKIES=true")
    return {
        "service_state": str(settings.state),
        "service_run_dir": str(settings.run_dir),
        "service_account": PLACES.account,
        "service_backups": str(PLACES.backups),
        "service_certificate": chain,
        "service_certificate_key": key,
        "service_command": str(PLACES.command),
        "service_etc": str(PLACES.etc),
        "service_hosts": _hosts(settings),
        "service_ipv6": _IPV6.exists(),
        "service_listen": listen_address(settings, is_encrypted=bool(chain)),
        "service_local_server": settings.local_server,
        "service_program": str(program),
        "service_redis": not settings.redis_url,
        "service_root": str(PLACES.root),
        "service_settings": told,
        "service_socket": str(PLACES.socket),
        "service_workers": settings.workers,
    }


def _hosts(settings: Settings) -> list[str]:
    """Return the names nginx answers to; behind a certificate those people type alone."""
    found = list(settings.allowed_hosts)
    if settings.certificate:
        found = [host for host in found if host not in own_certificate.LOOPBACK]
    wrong = [host for host in found if not _HOST.fullmatch(host)]
    if wrong or not found:
        raise InvalidInputError(
            say("allowed_hosts tidak menyebut nama panel yang sah: %(hosts)s.", hosts=wrong),
            say("Isi di siappakai.toml, misalnya allowed_hosts = [“panel.tabanan.go.id”]."),
            field="allowed_hosts",
        )
    return found


def units(settings: Settings) -> list[str]:
    """Return the units there are, one for each process and the target that groups them."""
    laid = sorted(path.name for path in PLACES.units.glob("siappakai-*.service"))
    single = [name for name in laid if "@." not in name]
    workers = [f"siappakai-worker@{one}.service" for one in range(1, settings.workers + 1)]
    return [TARGET, *single, *workers] if laid else []
