"""What stands for systemd where none runs: starts what the units say, kept by our own Child.

Called as systemctl is. It heeds ExecStart, User, WorkingDirectory, Environment and
StandardOutput of the units the target wants, and nothing of their hardening:
that needs the kernel's help through systemd.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from siappakai.supervisor import Child

ROOT = Path(__file__).parents[1]
_SECONDS = 60.0


def write_program(folder: Path, units: Path) -> Path:
    """Write the command into a folder; return it. `folder` holds what it must remember."""
    program = folder / "systemctl"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\nfrom tests.service_manager import main\n"
        f"main(Path({str(units)!r}), Path({str(folder)!r}), sys.argv[1:])\n"
    )
    program.chmod(0o755)
    return program


def main(units: Path, folder: Path, words: list[str]) -> None:
    """Do what systemctl would: daemon-reload, start, stop, is-active, reload-or-restart."""
    keeper = folder / "keeper.pid"
    match words:
        case ["start", "siappakai.target"] if not _lives(keeper):
            keeper.write_text(str(_keeper(folder)))
        case ["stop", "siappakai.target", "siappakai-*.service"] if _lives(keeper):
            os.kill(int(keeper.read_text()), signal.SIGTERM)
            until = time.monotonic() + _SECONDS
            while _lives(keeper) and time.monotonic() < until:
                time.sleep(0.05)
        case ["is-active", _]:
            print("active" if _lives(keeper) else "inactive")  # noqa: T201 - as systemctl does
        case ["keep"]:
            _keep(units)


def _keeper(folder: Path) -> int:
    """Start who keeps the processes alive; it holds nothing of its caller's open."""
    argv, nothing = [folder / "systemctl", "keep"], subprocess.DEVNULL
    return subprocess.Popen(
        argv, start_new_session=True, stdin=nothing, stdout=nothing, stderr=nothing
    ).pid


def _lives(keeper: Path) -> bool:
    try:
        stat = Path(f"/proc/{keeper.read_text()}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _keep(units: Path) -> None:
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    signal.signal(signal.SIGTERM, stop)
    kept = [_child(units, name) for name in _values(units / "siappakai.target", "Wants")]
    while not stopped:
        for child in kept:
            child.watch()
        time.sleep(0.1)
    for child in reversed(kept):
        child.stop()


def _child(units: Path, name: str) -> Child:
    base, _, instance = name.removesuffix(".service").partition("@")
    file = units / (f"{base}@.service" if instance else name)
    (account,), (command,) = _values(file, "User"), _values(file, "ExecStart")
    (log,) = _values(file, "StandardOutput")
    person = ["setpriv", "--reuid", account, "--regid", account, "--init-groups", "--"]
    if command.startswith("!"):
        person = []  # the command changes the account by itself
    # Where a process stands, Python looks for modules first.
    (folder,) = _values(file, "WorkingDirectory")
    environment = ["env", "-i", "-C", folder, "PATH=/usr/bin:/bin", *_values(file, "Environment")]
    path = Path(log.removeprefix("append:").replace("%i", instance))
    return Child(name, [*person, *environment, *shlex.split(command.removeprefix("!"))], path)


def _values(file: Path, key: str) -> list[str]:
    lines = file.read_text().splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]
