"""The service on real files, a real registry and real processes; systemd alone is stood for."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from siappakai.config import Settings
from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.gateways.program import Program
from siappakai.gateways.registry_copy import save_registry
from siappakai.gateways.systemd import Systemd
from siappakai.services import service, service_removal, upgrades
from siappakai.services.readiness import await_ready
from tests.service_manager import write_program

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="root lays down a service"),
]

ROOT = Path(__file__).parents[2]
VENV = Path(sys.prefix)

# A next revision: what it leaves behind without a way back is gone for good.
MIGRATION = """\
import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = {head!r}
branch_labels = None
depends_on = None


def upgrade():
    op.create_table("planted", sa.Column("id", sa.Integer, primary_key=True))
    {then}


def downgrade():
    op.drop_table("planted")
"""
FAILS = 'op.execute("DROP TABLE users"); raise RuntimeError("a migration that fails")'

COMMAND = """\
#!{program}/bin/python
from pathlib import PosixPath

from siappakai.cli import main
from siappakai.services import service

service.PLACES = service.{places!r}
main()
"""


@dataclass
class Machine:
    """A machine's folders, in one folder; programs are made as they are asked for."""

    folder: Path
    account: str
    settings: Settings
    systemd: Systemd

    def program(self, name: str, change: Callable[[Path], None] = lambda _source: None) -> Program:
        """Return a program of its own: a virtual environment over a changed copy of ours."""
        program = service.PLACES.programs / name
        source = program / "source"
        for part in ("siappakai", "playbooks", "templates"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, source / part, ignore=ignored)
        change(source)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", program], check=True)
        (library,) = program.glob("lib/python*/site-packages")
        (ours,) = VENV.glob("lib/python*/site-packages")
        (library / "program.pth").write_text(f"{source}\n{ours}\n")
        (program / "bin" / "ansible-playbook").symlink_to(VENV / "bin" / "ansible-playbook")
        command = program / "bin" / "siappakai"
        command.write_text(COMMAND.format(program=program, places=service.PLACES))
        command.chmod(0o755)
        return Program(program)

    def ask(self, host: str) -> int:
        """Return how nginx answers somebody who asks for a name; 0 for not at all."""
        link = http.client.HTTPConnection(self.settings.host, self.settings.port, timeout=10)
        with closing(link):
            try:
                link.request("GET", "/healthz", headers={"Host": host})
                return link.getresponse().status
            except (http.client.BadStatusLine, ConnectionError):
                return 0

    def registry(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.settings.state / "registry.sqlite3")) as database:
            return database.execute(query).fetchall()

    def owners(self) -> set[str]:
        """Return whose the panel's processes are, by the folder they work in."""
        found = set()
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes()
                if str(service.PLACES.programs).encode() in words and b"siappakai" in words:
                    found.add(entry.owner())
            except OSError:
                continue  # it ended meanwhile, or is no process
        return found


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    name = f"spks{secrets.token_hex(3)}"
    subprocess.run(["useradd", "--system", "--user-group", name], check=True)
    yield name
    subprocess.run(["pkill", "-KILL", "-u", name], check=False)
    time.sleep(0.2)
    subprocess.run(["userdel", name], check=True)


@pytest.fixture(scope="module")
def places(account: str) -> Iterator[service.Places]:
    """The folders of a machine, all in one."""
    folder = Path(tempfile.mkdtemp(prefix="siappakai-service-", dir="/tmp"))
    folder.chmod(0o755)
    for name in ("etc/nginx/conf.d", "etc/logrotate.d", "booted", "state", "run", "programs"):
        (folder / name).mkdir(parents=True)
    for name in ("state", "run"):
        shutil.chown(folder / name, account, account)
        (folder / name).chmod(0o750)
    (folder / "state" / "siappakai.toml").write_text(
        f'port = {_free_port()}\nworkers = 1\ntick_seconds = 1\nallowed_hosts = ["127.0.0.1"]\n'
    )
    (folder / "etc/nginx/nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; user www-data;\n"
        f"events {{}} http {{ access_log off; include {folder}/etc/nginx/conf.d/*.conf; }}\n"
    )
    yield service.Places(
        root=folder,
        etc=folder / "etc",
        backups=folder / "backups",
        socket=folder / "panel" / "http.sock",
        command=folder / "siappakai",
        account=account,
    )
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def systemd(places: service.Places) -> Iterator[Systemd]:
    program = write_program(places.root, places.units)
    manager = Systemd(places.folders, program=str(program), booted=places.root / "booted")
    yield manager
    manager.stop()


@pytest.fixture
def machine(places: service.Places, systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One machine for all tests of this module, in the order they stand here."""
    monkeypatch.setattr(service, "PLACES", places)
    monkeypatch.setenv("SIAPPAKAI_STATE", str(places.root / "state"))
    monkeypatch.setenv("SIAPPAKAI_RUN_DIR", str(places.root / "run"))
    return Machine(places.root, places.account, Settings(), systemd)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def running(machine: Machine) -> Program:
    """The program in use; the first test that asks installs one as `service install` does."""
    present = service.installed_program()
    if present is not None:
        return present
    program = machine.program("first")
    assert program.call("service", "activate")["changed"]
    program.call("registry", "upgrade")
    assert program.call("user", "first")["password"]
    machine.systemd.start()
    await_ready(machine.settings, service.PLACES.socket)
    return program


def _with_revision(then: str) -> Callable[[Path], None]:
    def change(source: Path) -> None:
        versions = source / "siappakai" / "models" / "migrations" / "versions"
        head = ScriptDirectory(str(versions.parent)).get_current_head()
        text = MIGRATION.format(head=head, then=then)
        (versions / "9001_planted.py").write_text(text)

    return change


@pytest.mark.soak
def test_a_second_time_nothing_changes_and_no_process_is_root(
    machine: Machine, running: Program
) -> None:
    assert machine.owners() == {machine.account}
    assert running.call("service", "activate") == {"changed": [], "is_checked": True}


def test_a_migration_that_fails_is_taken_back(machine: Machine, running: Program) -> None:
    users = machine.registry("SELECT * FROM users")
    failing = machine.program("failing", _with_revision(FAILS))
    with pytest.raises(upgrades.RolledBackError, match="a migration that fails") as caught:
        _change(machine, running, failing)
    assert f"{running.name} dan registri dari sebelumnya sudah bekerja" in caught.value.todo
    assert service.installed_program() == running
    await_ready(machine.settings, service.PLACES.socket)
    assert machine.registry("SELECT * FROM users") == users
    assert not machine.registry("SELECT name FROM sqlite_master WHERE name = 'planted'")
    assert running.call("settings", "get", "drain")["items"][0]["value"] is False


@pytest.mark.soak
def test_a_good_program_takes_over_and_leaves_a_closed_copy(
    machine: Machine, running: Program
) -> None:
    users = machine.registry("SELECT * FROM users")
    good = machine.program("good", _with_revision("return"))
    done = _change(machine, running, good)
    assert (done.before, done.now) == (running.name, "good")
    assert service.installed_program() == good
    assert machine.registry("SELECT version_num FROM alembic_version") == [("9001",)]
    assert machine.registry("SELECT * FROM users") == users
    assert str(good.folder) in (service.PLACES.units / "siappakai-clock.service").read_text()
    assert {path.name for path in service.PLACES.programs.iterdir()} == {running.name, "good"}
    _look_at_the_copy(machine, Path(done.copy))


@pytest.mark.soak
def test_an_upgrade_cut_short_is_taken_back_by_the_next(machine: Machine, running: Program) -> None:
    """As a power failure leaves it: stopped, drained, a new registry, a note of what was begun."""
    copy = service.PLACES.backups / "registry-cut"
    save_registry(machine.settings.registry_url, copy)
    running.call("settings", "set", "drain", "on")
    machine.systemd.stop()
    note = service.PLACES.root / "upgrade.json"
    note.write_text(
        json.dumps({"old": str(running.folder), "copy": str(copy), "was_draining": False})
    )
    upgrades.end_unfinished(machine.settings, machine.systemd)
    assert not note.exists()
    await_ready(machine.settings, service.PLACES.socket)
    assert running.call("settings", "get", "drain")["items"][0]["value"] is False


def _change(machine: Machine, old: Program, new: Program) -> upgrades.Upgraded:
    return upgrades.change_program(machine.settings, machine.systemd, old, new, patience_seconds=5)


def _look_at_the_copy(machine: Machine, copy: Path) -> None:
    """A copy is the registry as it was, and closed to whoever takes over the panel."""
    with closing(sqlite3.connect(copy)) as database:
        (head,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
        assert head != "9001"
    assert copy.stat().st_mode & 0o777 == 0o600
    person = [
        "env",
        "LC_ALL=C",
        "setpriv",
        "--reuid",
        machine.account,
        "--regid",
        machine.account,
        "--clear-groups",
    ]
    for words in (["cat", copy], ["rm", "-f", copy], ["ls", copy.parent]):
        said = subprocess.run([*person, *words], check=False, capture_output=True, text=True)
        assert "Permission denied" in said.stderr
    key = machine.settings.credentials_file.read_bytes().strip()
    assert key not in copy.read_bytes()


@pytest.mark.soak
def test_nginx_passes_on_known_names_alone_and_uninstalling_keeps_the_data(
    machine: Machine, running: Program
) -> None:
    nginx = subprocess.Popen(["nginx", "-c", machine.folder / "etc/nginx/nginx.conf"])
    try:
        until = time.monotonic() + 10
        while machine.ask("127.0.0.1") != 200 and time.monotonic() < until:
            time.sleep(0.1)
        assert machine.ask("127.0.0.1") == 200
        assert machine.ask("attacker.example") == 0
    finally:
        nginx.terminate()
        nginx.wait(timeout=10)
    service_removal.uninstall(machine.settings, machine.systemd, is_purge=False)
    assert machine.owners() == set()
    assert list(service.PLACES.units.glob("**/siappakai*")) == []
    assert service.installed_program() is None
    assert machine.registry("SELECT username FROM users") == [("admin",)]
    service_removal.uninstall(machine.settings, machine.systemd, is_purge=True)
    assert not machine.settings.state.exists()


def test_without_systemd_nothing_is_upgraded(machine: Machine) -> None:
    absent = Systemd(service.PLACES.folders, booted=machine.folder / "no")
    with pytest.raises(RefusedError, match="systemd tidak berjalan"):
        upgrades.upgrade(machine.settings, absent, patience_seconds=0)


def test_a_panel_that_does_not_answer_is_told(machine: Machine) -> None:
    with pytest.raises(SiapPakaiError, match="Panel tidak siap"):
        await_ready(machine.settings, machine.folder / "nothing.sock", seconds=0)
