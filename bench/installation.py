"""A whole installation of SiapPakai for one benchmark: panel, worker, clock, Redis, registry.

Its server is a private arrangement on this machine, purged at the end.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.villages import REGENCY, BenchVillage
from siappakai.config import Settings
from siappakai.domain.naming import ServerLayout, server_layout
from siappakai.domain.servers import Arrangement
from siappakai.models import Site, db
from siappakai.models.app import registry_app
from siappakai.services import enrolment, places, releases, servers, sites, sources
from siappakai.services import villages as registered
from tests.playing import play
from tests.playing import servers as inventory

REPOSITORY = "SIAPPAKAI_BENCH_OPENSID_REPO"
VERSION = "v2410.0.0"
SERVER = "bench"
_PREFIX, _ROOT = "spb", "/srv/siappakai-bench"
_BY = "bench"
_START_SECONDS = 60


@dataclass
class Panel:
    """A running installation; `pid` is its supervisor's."""

    settings: Settings
    pid: int

    def command(self, *words: str) -> float:
        """Run a command of the program to its end; return the seconds of the whole process."""
        began = time.monotonic()
        done = subprocess.run(
            [str(Path(sys.executable).with_name("siappakai")), *words, "--json"],
            capture_output=True,
            check=False,
            text=True,
        )
        seconds = time.monotonic() - began
        if done.returncode:
            sys.exit(f"siappakai {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
        return seconds

    def prepare(self) -> ServerLayout:
        """Make this machine a server, with the release to install at hand; return its layout."""
        if not self.settings.release_source.startswith("/"):
            sources.use_source(self.settings, stand_in=True, by=_BY)
        places.set_regency(code=REGENCY[0], name=REGENCY[1], province_name=REGENCY[2], by=_BY)
        arrangement = Arrangement(
            services="private",
            prefix=_PREFIX,
            root=_ROOT,
            http_address="127.0.0.1",
            http_port=_free_port(),
            https_port=_free_port(),
            # As many as the floor works on at once (floor/install.sh).
            parallelism=2,
        )
        enrolment.enrol_local_server(name=SERVER, arrangement=arrangement, by=_BY)
        self.command("server", "prepare", SERVER, "--follow")
        releases.pin_release(VERSION, by=_BY)
        db.session.commit()
        found = servers.find_server(SERVER)
        if found is None:
            raise RuntimeError("the server vanished from the registry")
        return servers.layout_of(found)

    def plan(self, villages: Sequence[BenchVillage]) -> None:
        """Register the villages that are new and decide where their sites shall live."""
        db.session.commit()
        server = servers.find_server(SERVER)
        if server is None:
            raise RuntimeError("the server vanished from the registry")
        for one in villages:
            village = registered.find_village(one.code) or registered.register_village(
                code=one.code, name=one.name, district_name=f"Kecamatan {one.district}", by=_BY
            )
            sites.plan_site(village=village, server=server, domain=one.domain, by=_BY)
        db.session.commit()

    def install(self) -> float:
        """Install what is planned, by one command; return its seconds."""
        planned = ("--server", SERVER, "--state", "planned")
        return self.command("site", "install", *planned, "--release", VERSION, "--follow")

    def remove(self) -> None:
        """Remove what is installed."""
        db.session.commit()
        count = db.session.query(Site).filter(Site.state == "active").count()
        db.session.commit()
        active = ("--server", SERVER, "--state", "active")
        self.command("site", "remove", *active, "--count", str(count), "--follow")


@contextmanager
def panel() -> Iterator[Panel]:
    """Start an installation; yields it in the context of its registry, purges it at the end."""
    state = Path(tempfile.mkdtemp(prefix="siappakai-bench-"))
    configure(state)
    settings = Settings()
    _purge()
    supervisor = subprocess.Popen([sys.executable, "-m", "siappakai.supervisor"])
    try:
        await_panel(settings)
        with registry_app(settings).app_context():
            yield Panel(settings, supervisor.pid)
    finally:
        supervisor.send_signal(signal.SIGINT)
        supervisor.wait()
        _purge()
        shutil.rmtree(state)


def configure(state: Path) -> None:
    """Let settings come from a state folder of the benchmark's own, and nowhere else."""
    for name in [name for name in os.environ if name.startswith("SIAPPAKAI_")]:
        if name != REPOSITORY:
            del os.environ[name]
    # Compiled modules are kept, as on any installation; a benchmark of the compiler is another.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    chosen = {
        "STATE": str(state),
        "RUN_DIR": str(state / "run"),
        "PORT": str(_free_port()),
        "WORKERS": "1",
        "RELEASE_SOURCE": os.environ.get(REPOSITORY, ""),
    }
    os.environ.update({f"SIAPPAKAI_{name}": value for name, value in chosen.items() if value})


def await_panel(settings: Settings) -> None:
    """Wait until the panel listens; ends the program when it does not."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex((settings.host, settings.port)) == 0:
                return
        time.sleep(0.2)
    sys.exit(f"The panel does not listen on port {settings.port}; see {settings.state}/log.")


def _purge() -> None:
    layout = server_layout(prefix=_PREFIX, root=_ROOT, services="private", php_versions=("8.2",))
    purged = play("purge", inventory(layout))
    if not purged.succeeded:
        sys.exit(purged.text)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
