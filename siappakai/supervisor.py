"""Keeps panel, workers, clock, lookout and a private Redis alive under `make run`.

systemd does this in production. Each child has a session of its own, so that Ctrl-C reaches
only the supervisor, which then stops them in order; a child whose supervisor is killed is told
by the kernel (`setpriv --pdeathsig`).
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from siappakai.ansible.processes import kill_descendants
from siappakai.config import Settings
from siappakai.errors import ConflictError
from siappakai.models import recovering
from siappakai.models.app import open_registry
from siappakai.models.migrating import upgrade_registry
from siappakai.services import accounts, keys
from siappakai.services.listening import listen_address

log = logging.getLogger("siappakai.supervisor")

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
# A child that lived this long was healthy: its next restart comes quickly again.
_HEALTHY_SECONDS = 60.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.2
# Who clicks is answered before a rollout goes on; a quarter of a core is still theirs.
_BEHIND_PEOPLE = ("nice", "-n", "5")


@dataclass
class Child:
    """One process to keep alive. `log` takes what it prints."""

    name: str
    argv: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    pause: float = _FIRST_PAUSE
    started: float = 0.0
    due: float = field(default=0.0)

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(  # the parent's death reaches the child as SIGTERM
                ["setpriv", "--pdeathsig", "TERM", "--", *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started = time.monotonic()

    def watch(self) -> None:
        """Restart the process if it died, more slowly each time it dies young."""
        if self.process is None:
            if time.monotonic() >= self.due:
                self.start()
            return
        code = self.process.poll()
        if code is None:
            return
        lived = time.monotonic() - self.started
        self.pause = (
            _FIRST_PAUSE if lived > _HEALTHY_SECONDS else min(self.pause * 2, _LONGEST_PAUSE)
        )
        log.warning(
            "%s ended with %s after %.0f s; again in %.1f s", self.name, code, lived, self.pause
        )
        self.process = None
        self.due = time.monotonic() + self.pause

    def stop(self) -> None:
        """End the process and what it started; what it does not finish in time is killed."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            kill_descendants(self.process.pid)
            self.process.kill()
            self.process.wait()
        self.process = None


def children(settings: Settings) -> list[Child]:
    """Return what runs, in the order of starting; stopped in reverse."""
    python = sys.executable
    worker = [python, "-m", "siappakai.worker"]
    logs = settings.state / "log"
    logs.mkdir(mode=0o750, exist_ok=True)
    found = [] if settings.redis_url else [Child("redis", _redis(settings), logs / "redis.log")]
    found.append(Child("panel", _panel(settings, python), logs / "panel.log"))
    found.append(Child("settler", [*worker, "settle"], logs / "settler.log"))
    found.append(Child("clock-worker", [*worker, "clock"], logs / "clock-worker.log"))
    found.append(Child("clock", [*worker, "tick"], logs / "clock.log"))
    lookout = [python, "-m", "siappakai.lookout"]
    found.append(Child("lookout", lookout, logs / "lookout.log"))
    found.extend(
        Child(f"worker-{number}", behind_people(*worker, "runs"), logs / f"worker-{number}.log")
        for number in range(1, settings.workers + 1)
    )
    return found


def behind_people(*argv: str) -> list[str]:
    """Return a command that leaves the processor to those who wait for a page."""
    return [*_BEHIND_PEOPLE, *argv]


def _redis(settings: Settings) -> list[str]:
    # Nothing in it needs to survive: the registry is the truth, the clock rings again.
    socket = settings.run_dir / "redis.sock"
    options = {
        "--port": "0",
        "--unixsocket": str(socket),
        "--unixsocketperm": "700",
        "--dir": str(settings.run_dir),
        "--appendonly": "no",
    }
    flat = [word for pair in options.items() for word in pair]
    return ["redis-server", *flat, "--save", ""]


def _panel(settings: Settings, python: str) -> list[str]:
    return [
        *(python, "-m", "gunicorn", "siappakai.web.serving:panel()"),
        *("--bind", listen_address(settings, is_encrypted=settings.secure_cookies)),
        *("--worker-class", "gthread", "--workers", "2", "--threads", "4"),
        # A connection kept open stays with its process: one would serve all, the other none.
        *("--keep-alive", "0"),
        "--no-control-socket",
        *("--worker-tmp-dir", str(settings.run_dir)),
    ]


def supervise(settings: Settings, once: Sequence[str] | None = None) -> None:
    """Keep the children alive until SIGINT or SIGTERM, then stop them.

    `once` is a command played beside them, from the moment they run, that may end by itself.
    """
    stopping: list[int] = []
    _on_stop(stopping)
    running = children(settings)
    guest: subprocess.Popen[bytes] | None = None
    try:
        while not stopping:
            for child in running:
                child.watch()
            if once and guest is None:
                guest = subprocess.Popen(once, stdin=subprocess.DEVNULL, start_new_session=True)
            time.sleep(_POLL_SECONDS)
    finally:
        if guest is not None and guest.poll() is None:
            guest.terminate()
        for child in reversed(running):
            child.stop()


def _on_stop(stopping: list[int]) -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _only_one(settings: Settings) -> IO[str]:
    lock = (settings.run_dir / "supervisor.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"SiapPakai sudah berjalan dengan {settings.state}. Hentikan dahulu (Ctrl-C).")
    return lock


def _refuse_half_recovered(settings: Settings) -> None:
    try:
        recovering.refuse(settings.state)
    except ConflictError as refusal:
        sys.exit(refusal.told)


def _welcome(settings: Settings) -> None:
    """Make what a new installation needs, say where the panel is.

    The first administrator's password is shown once.
    """
    with open_registry(settings):
        keys.ensure_key_ring()
        first = accounts.ensure_first_admin(by="make run")
    print(f"Panel: http://{settings.host}:{settings.port}/  (berhenti: Ctrl-C)", flush=True)
    if first is not None:
        print(
            f"Admin pertama: {first[0]}   kata sandi: {first[1]}\n"
            "Catat sekarang; kata sandi ini tidak ditampilkan lagi.",
            flush=True,
        )


def _demo(*verb: str) -> list[str]:
    return [str(Path(sys.executable).with_name("siappakai")), "demo", *verb]


def main() -> None:
    """Migrate the registry, then keep everything alive; `--demo` brings up the demonstration."""
    parser = argparse.ArgumentParser(prog="python -m siappakai.supervisor", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="bring up the three demo villages")
    with_demo = parser.parse_args().demo
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    settings = Settings()
    os.umask(0o027)
    for folder in (settings.state, settings.run_dir):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    _refuse_half_recovered(settings)
    with _only_one(settings):
        upgrade_registry(settings)
        _welcome(settings)
        supervise(settings, _demo("start") if with_demo else None)
        if with_demo:
            subprocess.run(_demo("stop"), stdin=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    main()
