"""Workers on machines of their own: one PostgreSQL, one Redis, TLS and passwords between them."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from siappakai.config import Settings
from siappakai.credentials import create_key_ring
from siappakai.domain.states import RunState
from siappakai.models import db
from siappakai.models.app import registry_app
from siappakai.models.migrating import upgrade_registry
from siappakai.services import keys
from tests import factories
from tests.engine import INSTALLED_SECONDS, SHORT, Engine, pin_release
from tests.planted import watching_processes
from tests.sites import Fleet
from tests.sshd import private_sshd
from tests.workers_elsewhere import WorkerMachine, shared_services, worker_network

pytestmark = [
    pytest.mark.integration,
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces are made by root"),
    pytest.mark.timeout(600),
]


@dataclass
class Elsewhere:
    """A panel, and two machines that play its runs."""

    engine: Engine
    machines: list[WorkerMachine]
    passwords: dict[str, str]


@pytest.fixture
def elsewhere(
    fleet: Fleet, engine_account: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Elsewhere]:
    for name, value in SHORT.items():
        monkeypatch.setenv(f"SIAPPAKAI_{name}", value)
    monkeypatch.chdir("/")
    names = [f"spkw-{secrets.token_hex(3)}" for _ in range(2)]
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="siappakai-far-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder)
        folder.chmod(0o755)
        address = stack.enter_context(worker_network(names))
        shared = stack.enter_context(shared_services(address))
        panel = folder / "panel"
        for part in ("state", "run"):
            (panel / part).mkdir(parents=True)
        monkeypatch.setenv("SIAPPAKAI_STATE", str(panel / "state"))
        monkeypatch.setenv("SIAPPAKAI_RUN_DIR", str(panel / "run"))
        monkeypatch.setenv("HOME", str(panel / "state"))
        (panel / "state" / "siappakai.toml").write_text(shared.settings(panel / "state"))
        settings = Settings()
        create_key_ring(settings.credentials_file)
        upgrade_registry(settings)
        with registry_app(settings).app_context():
            account = pwd.getpwnam(engine_account)
            home = Path(account.pw_dir)
            # No password, but not locked: sshd keeps locked accounts out.
            subprocess.run(["usermod", "--password", "*", engine_account], check=True)
            sshd = stack.enter_context(
                private_sshd((engine_account, "", home), passwords=False, address=address)
            )
            _admit(home, keys.public_key(), account)
            key = " ".join(sshd.host_key.with_suffix(".pub").read_text().split()[:2])
            server = _server(fleet, address=address, port=sshd.port, user=sshd.user, host_key=key)
            pin_release(fleet, settings)
            engine = Engine(settings, engine_account, fleet, server)
            machines = [WorkerMachine(name, folder / name, engine_account) for name in names]
            for machine in machines:
                machine.prepare(shared, settings)
                stack.callback(machine.stop)
            try:
                yield Elsewhere(engine, machines, shared.passwords)
            finally:
                engine.stop()
                db.session.remove()
                db.engine.dispose()


def _admit(home: Path, key: str, account: pwd.struct_passwd) -> None:
    folder = home / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "authorized_keys").write_text(f"{key}\n")
    for path in (folder, folder / "authorized_keys"):
        os.chown(path, account.pw_uid, account.pw_gid)


def _server(fleet: Fleet, **reached: object) -> object:
    layout = fleet.layout
    return factories.make_server(
        "Server uji",
        connection="ssh",
        services=layout.services,
        prefix=layout.prefix,
        root=layout.root,
        http_address=layout.http_address,
        http_port=layout.http_port,
        https_port=layout.https_port,
        php_versions=[one.version for one in layout.php],
        **reached,
    )


def test_either_machine_plays_a_run_and_one_settles_what_the_other_left(
    elsewhere: Elsewhere,
) -> None:
    engine, (first, second) = elsewhere.engine, elsewhere.machines
    with watching_processes(elsewhere.passwords) as planted:
        engine.start("clock", "clock-worker")
        first.start()
        _plays(engine)
        first.stop()
        second.start()
        _plays(engine)
        first.start()
        engine.until(lambda: bool(first.workers()), 30)
        _leaves_a_run_to_the_other(engine, [first, second])
    assert planted.looks > 1000
    assert planted.hits == set()


def _plays(engine: Engine) -> None:
    """A run comes to its end, by whichever machine is there."""
    planned = engine.villages(1)
    engine.complete(engine.settle(engine.install(planned), INSTALLED_SECONDS), planned)


def _leaves_a_run_to_the_other(engine: Engine, machines: list[WorkerMachine]) -> None:
    """The worker that plays a run is killed; the other one finds out how far it came."""
    planned = engine.villages(2)
    run = engine.install(planned)
    engine.at_work(planned[0])
    (busy,) = [one for one in machines if len(one.workers()) > 1]
    busy.kill_worker()
    ended = engine.settle(run)
    assert ended.state is RunState.FAILED, engine.told(ended)
    assert busy.workers() == []
    engine.complete(ended, planned)
