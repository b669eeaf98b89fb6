"""The run engine as it runs in earnest, on the prepared server of the session.

Its processes are those of the supervisor, with a private Redis, under an account of their own
that may become root. Leases are of seconds, so that a killed worker is missed soon.
"""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import ansible_runner
import pytest
from sqlalchemy import func, select

from siappakai.ansible.processes import MARKER, descendants
from siappakai.config import Settings
from siappakai.credentials import create_key_ring
from siappakai.domain.states import TERMINAL, RunState, ServerState, SiteState
from siappakai.gateways.git import checksum_file
from siappakai.models import Run, RunLock, Server, Site, Step, Target, db
from siappakai.models.app import registry_app
from siappakai.models.transactions import transaction
from siappakai.services import releases, retries, runs, sites
from siappakai.supervisor import Child, children
from tests import factories
from tests.sites import NEW, Fleet

# All that a run needs; the panel is not among it.
PARTS = ("redis", "settler", "clock-worker", "clock", "worker-1")
INSTALLED_SECONDS = 180.0
# Far above what was seen (about 10 s), far below the two minutes of the default settings.
SETTLED_SECONDS = 90.0
SHORT = {
    "LEASE_SECONDS": "3",
    "HEARTBEAT_SECONDS": "1",
    "TICK_SECONDS": "1",
    "ORPHAN_PATIENCE_SECONDS": "1",
}
# Children inherit it: how tests find what an engine left behind.
TASK = "SIAPPAKAI_TASK"
_SUDOERS = Path("/etc/sudoers.d")
_districts = iter(range(510201, 510299))


@dataclass
class Engine:
    """A panel with its workers; `parts` are its processes by name."""

    settings: Settings
    account: str
    fleet: Fleet
    server: Server
    address: str = "127.0.0.1"
    parts: dict[str, Child] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        """Start processes of the supervisor's list: redis, panel, clock, worker-1 and so on."""
        self._own()
        for child in children(self.settings):
            if child.name in names:
                as_account = ["setpriv", "--reuid", self.account, "--regid", self.account]
                child.argv = [*as_account, "--init-groups", "--", *child.argv]
                child.start()
                self.parts[child.name] = child
                if child.name == "redis":
                    self._await((self.settings.run_dir / "redis.sock").exists, 10)

    def stop(self) -> None:
        """End all processes, whatever state they are in."""
        for child in reversed(list(self.parts.values())):
            if child.process is not None:
                self.kill(child.process.pid, signal.SIGCONT)
            child.stop()
        # A horse whose worker was killed is nobody's child; the account is ours alone.
        subprocess.run(["pkill", "-KILL", "-u", self.account], check=False)
        self._await(lambda: not self._is_busy(), 10)

    def _is_busy(self) -> bool:
        found = subprocess.run(["pgrep", "-u", self.account], check=False, capture_output=True)
        return found.returncode == 0

    def pid(self, name: str) -> int:
        """Return the process id of a part: the last one, that of Redis, worker or panel itself."""
        process = self.parts[name].process
        assert process is not None, f"{name} does not run"
        return process.pid

    def horse(self, name: str) -> int:
        """Return the process of a worker that executes a run just now."""
        return descendants(self.pid(name))[0]

    @staticmethod
    def below(pid: int) -> list[int]:
        """Return the processes below one, parents first."""
        return descendants(pid)

    @staticmethod
    def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def villages(self, count: int, *, server: Server | None = None) -> list[Site]:
        """Plan sites of new villages."""
        district = factories.make_district(str(next(_districts)))
        planned = [
            factories.make_site(
                factories.make_village(f"{district.code}{2000 + number}", district=district),
                server or self.server,
            )
            for number in range(1, count + 1)
        ]
        self._own()
        return planned

    def install(self, planned: list[Site]) -> Run:
        """Ask for sites to be installed."""
        release = releases.get_release(NEW)
        ids = [site.id for site in planned]
        return sites.request_install(site_ids=ids, release_id=release.id, by=factories.BY)[0]

    def until(self, holds: Callable[[], bool], seconds: float = SETTLED_SECONDS) -> float:
        """Wait as the supervisor would, restarting what dies; return how long it took."""
        began = time.monotonic()

        def look() -> bool:
            for child in self.parts.values():
                child.watch()
            return holds()

        self._await(look, seconds, self.all_told)
        return time.monotonic() - began

    def at_work(self, site: Site) -> None:
        """Wait until the install of a site is under way: its folder is there, no more."""
        folder = Path(f"{self.fleet.layout.sites}/opensid-{site.village.code}")
        self.until(folder.exists)

    def settle(self, run: Run, seconds: float = SETTLED_SECONDS) -> Run:
        """Wait for the end of a run; return it as it stands then, nothing of it left behind."""
        self.until(lambda: self.fresh(run).state in TERMINAL, seconds)
        ended = self.fresh(run)
        held = db.session.scalar(
            select(func.count()).select_from(RunLock).where(RunLock.run_id == run.id)
        )
        assert held == 0
        assert self.leftovers(run) == []
        assert not any(self.settings.run_dir.glob(f"plays/{run.id}-*"))
        assert not any(target.state not in TERMINAL for target in ended.targets)
        return ended

    def complete(self, run: Run, planned: list[Site]) -> None:
        """Retry what failed until nothing has; at the end all sites are healthy."""
        if run.state is not RunState.SUCCEEDED:
            (again,) = retries.retry_failed(run.id, by=factories.BY)
            # A whole run, be it of a server: what has two minutes is settling.
            run = self.settle(again, INSTALLED_SECONDS)
        assert run.state is RunState.SUCCEEDED, self.told(run)
        for site in planned:
            db.session.refresh(site)
            assert site.state is SiteState.ACTIVE
            assert self.answers(site)

    def answers(self, site: Site) -> bool:
        """Tell whether a site's login page is served."""
        connection = http.client.HTTPConnection(self.address, self.fleet.layout.http_port)
        connection.request("GET", "/index.php/siteman", headers={"Host": site.domain})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status == 200 and b"</html>" in body

    @staticmethod
    def fresh(run: Run) -> Run:
        """Return a run as the registry has it now."""
        db.session.commit()
        found = db.session.get_one(Run, run.id, populate_existing=True)
        db.session.refresh(found, ["targets"])
        for target in found.targets:
            db.session.refresh(target)
        return found

    def leftovers(self, run: Run) -> list[str]:
        """Return the processes of a run, on this machine as a worker's and as a server's."""
        workspace = f"{MARKER}={self.settings.run_dir}/plays/{run.id}-".encode()
        task = f"{TASK}={self.fleet.layout.lock_dir}:{run.id}-".encode()
        return [f"{pid} {name}" for pid, name, _ in processes(workspace, task)]

    def modules(self, run: Run) -> list[int]:
        """Return the processes a run has at work as root."""
        task = f"{TASK}={self.fleet.layout.lock_dir}:{run.id}-".encode()
        return [pid for pid, _, _ in processes(task)]

    def told(self, run: Run) -> str:
        """Return what a person would read of a run; for messages of failed tests."""
        run = self.fresh(run)
        rows = [f"{run.id} {run.state}: {run.message}"]
        for target in run.targets:
            rows.append(f"  {target.label} {target.state}: {target.message} {target.error}")
            steps = db.session.scalars(select(Step).where(Step.target_id == target.id))
            rows += [f"    {step.name} {step.state} {step.seconds} {step.detail}" for step in steps]
        return "\n".join([*rows, *runs.log_page(run.id, lines=2000).lines[-40:]])

    def all_told(self) -> str:
        """Return what a person would read of all runs and all processes."""
        logs = sorted((self.settings.state / "log").glob("*.log"))
        texts = [f"{log.name}: {log.read_text()[-1500:]}" for log in logs]
        return "\n".join([*map(self.told, db.session.scalars(select(Run))), *texts])

    def _own(self) -> None:
        """Give the account what this process, which is root, wrote into its folders."""
        subprocess.run(
            ["chown", "-R", f"{self.account}:", str(self.settings.state.parent)], check=True
        )

    @staticmethod
    def _await(
        holds: Callable[[], bool], seconds: float, tell: Callable[[], str] = lambda: ""
    ) -> None:
        until = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > until:
                pytest.fail(f"not within {seconds} s\n{tell()}")
            time.sleep(0.05)


def processes(*starts: bytes) -> list[tuple[int, str, str]]:
    """Return id, name and variable of the processes with a variable that starts like one given."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                variables = (folder / "environ").read_bytes().split(b"\0")
                name = (folder / "comm").read_text().strip()
                hits = [one.decode() for one in variables if one.startswith(starts)]
                found += [(int(folder.name), name, hits[0])] if hits else []
    return found


@pytest.fixture(scope="session")
def engine_account() -> Iterator[str]:
    """An account like the panel's: no rights of its own, root by one sudo rule."""
    name = f"spk{secrets.token_hex(3)}"
    subprocess.run(["useradd", "--system", "--create-home", name], check=True)
    # Whatever umask a process of root's compiled it under: Ansible stumbles over a folder of
    # plugins that it may not read.
    plugins = Path(ansible_runner.__file__).parent
    subprocess.run(["chmod", "-R", "o+rX", str(plugins)], check=True)
    rule = _SUDOERS / name
    try:
        rule.touch(mode=0o440)
        rule.write_text(f"{name} ALL=(root) NOPASSWD: ALL\n")
        yield name
    finally:
        rule.unlink()
        subprocess.run(["userdel", "--remove", name], check=True, stderr=subprocess.DEVNULL)


@pytest.fixture
def engine(
    fleet: Fleet, engine_account: str, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """An engine with a registry of its own; nothing is started yet. Its server is the fleet's."""
    with _folder() as folder:
        for name, value in SHORT.items():
            monkeypatch.setenv(f"SIAPPAKAI_{name}", value)
        monkeypatch.setenv("SIAPPAKAI_STATE", str(folder / "state"))
        monkeypatch.setenv("SIAPPAKAI_RUN_DIR", str(folder / "run"))
        monkeypatch.setenv("SIAPPAKAI_PORT", str(_free_port()))
        monkeypatch.setenv("HOME", str(folder / "state"))
        monkeypatch.chdir("/")
        settings = Settings()
        for part in (settings.state, settings.run_dir):
            part.mkdir()
        shutil.copyfile(sqlite_template, settings.state / "registry.sqlite3")
        create_key_ring(settings.credentials_file)
        with registry_app(settings).app_context():
            one = Engine(settings, engine_account, fleet, _server(fleet))
            pin_release(fleet, settings)
            try:
                yield one
            finally:
                one.stop()
                db.session.remove()
                db.engine.dispose()


@contextmanager
def _folder() -> Iterator[Path]:
    # Not under pytest's folder, which is closed to the account, and too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="siappakai-engine-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _server(fleet: Fleet) -> Server:
    layout = fleet.layout
    return factories.make_server(
        "Server uji",
        connection="local",
        address="127.0.0.1",
        host_key="",
        state=ServerState.READY,
        services=layout.services,
        prefix=layout.prefix,
        root=layout.root,
        http_address=layout.http_address,
        http_port=layout.http_port,
        https_port=layout.https_port,
    )


def pin_release(fleet: Fleet, settings: Settings) -> None:
    """Put the release into the catalogue, its archive where the engine would have made it."""
    given = fleet.releases[NEW]
    release = factories.make_release(
        NEW,
        commit=given.commit,
        schema_version=given.schema_version,
        benign_patterns=given.benign_patterns,
    )
    folder = settings.state / "archives"
    folder.mkdir()
    archive = folder / f"opensid-{NEW}-{release.commit[:12]}.tar.gz"
    shutil.copyfile(given.archive, archive)
    checksum_file(archive).write_text(given.archive_sha256)


def set_parallelism(server: Server, sites_at_once: int) -> None:
    """Limit how many sites of a server are worked on at once."""
    with transaction():
        db.session.get_one(Server, server.id).parallelism = sites_at_once


def states_of(run: Run) -> dict[str, RunState]:
    """Return the state of each target by its host."""
    targets = db.session.scalars(select(Target).where(Target.run_id == run.id))
    return {target.host: target.state for target in targets}
