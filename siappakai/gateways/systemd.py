"""The service manager of this machine, and what checks the files it reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from siappakai.errors import SiapPakaiError
from siappakai.gateways.machine import LocalMachine
from siappakai.wording import say

TARGET = "siappakai.target"
# As systemctl matches names of what is loaded.
UNITS = "siappakai-*.service"

# Stopping waits for each process to end what it has begun.
_SECONDS = 180.0
_NOT_FOUND = 127


class Systemd:
    """Starts and stops the service, whose `folders` on /run are listed in a file.

    `booted` exists while systemd runs; `program` is systemctl.
    """

    def __init__(
        self,
        folders: Path,
        *,
        program: str = "systemctl",
        booted: Path = Path("/run/systemd/system"),
    ) -> None:
        self._machine = LocalMachine(_SECONDS)
        self._folders = folders
        self._program = program
        self._booted = booted

    @property
    def is_running(self) -> bool:
        return self._booted.is_dir()

    def start(self) -> None:
        """Read the units anew, make their folders and logs, start what does not run.

        Raises SiapPakaiError.
        """
        self._do("daemon-reload")
        _must(self._machine, ["systemd-tmpfiles", "--create", str(self._folders)])
        self._do("start", TARGET)

    def restart(self) -> None:
        """Stop what runs and start all anew; raises SiapPakaiError."""
        self._do("daemon-reload")
        self.stop()
        self.start()

    def stop(self) -> None:
        """Stop all processes and wait for their end; raises SiapPakaiError.

        Each is named: systemctl waits for what it is told to stop, not for what goes along.
        """
        self._do("stop", TARGET, UNITS)

    def reload(self) -> None:
        """Read the units anew, once some are gone; raises SiapPakaiError."""
        self._do("daemon-reload")

    def reload_nginx(self) -> None:
        """Let nginx read its settings; raises SiapPakaiError."""
        self._do("reload-or-restart", "nginx.service")

    def state(self, unit: str) -> str:
        """Return `active`, `inactive`, `failed` and so on; empty where systemd does not run."""
        if not self.is_running:
            return ""
        return self._machine.run([self._program, "is-active", unit]).output.strip()

    def _do(self, *words: str) -> None:
        _must(self._machine, [self._program, *words])


def verify_units(units: Sequence[Path]) -> bool:
    """Have systemd look over unit files; raises SiapPakaiError with its complaint.

    Return False where there is nothing to look with.
    """
    names = [str(unit) for unit in units]
    return _must(LocalMachine(_SECONDS), ["systemd-analyze", "verify", "--man=no", *names])


def verify_nginx(file: Path) -> bool:
    """Have nginx look over its settings; raises SiapPakaiError, False where there is none."""
    return _must(LocalMachine(_SECONDS), ["nginx", "-q", "-t", "-c", str(file)])


def _must(machine: LocalMachine, argv: list[str]) -> bool:
    answer = machine.run(argv)
    if answer.code == _NOT_FOUND:
        return False
    if answer.code != 0:
        raise SiapPakaiError(
            say(
                "“%(command)s” gagal: %(reason)s",
                command=" ".join(argv[:3]),
                reason=(answer.error or answer.output).strip()[-1000:],
            ),
            say("Perbaiki sebabnya, lalu ulangi perintah ini."),
        )
    return True
