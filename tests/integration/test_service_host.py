"""The service on a bare Debian of its own, by the commands people type.

First laid down where no systemd runs; then that machine is started again with systemd, whose
units, hardening and order at boot are thereby in earnest.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host_boot import control_group
from tests.hosts import DebianHost, debian_host

# Packages and the whole set of dependencies are fetched.
pytestmark = [
    pytest.mark.integration,
    pytest.mark.hosts,
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="hosts are built by root"),
    pytest.mark.timeout(3000),
]

ROOT = Path(__file__).parents[2]
SOURCE = "/srv/source"
PACKAGES = ("git", "make", "python3-venv", "sudo", "systemd-sysv")
STATES = "systemctl list-units --all --plain --no-legend 'siappakai*' | awk '{print $1, $3, $4}'"
ASK = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/healthz').status)"
# A revision that destroys something, then fails.
FAILING = """\
from alembic import op

revision = "9001"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("DROP TABLE users")
    raise RuntimeError("a migration that fails")


def downgrade():
    raise RuntimeError("there is no way back")
"""


@pytest.fixture(scope="module")
def host() -> Iterator[DebianHost]:
    """A machine with a checkout and what `make service` asks for: git, make, Python."""
    with debian_host("service") as bare:
        _run(bare, "apt-get", "update", "-q")
        _run(bare, "apt-get", "install", "-qy", "--no-install-recommends", *PACKAGES)
        _copy_checkout(bare)
        yield bare


@pytest.fixture(scope="module")
def booted(host: DebianHost) -> Iterator[DebianHost]:
    """The same machine, started again by systemd."""
    host.kill_all()
    with control_group(f"siappakai-tests-{host.number}") as group:
        host.boot(group)
        yield host
        host.kill_all()


def _copy_checkout(host: DebianHost) -> None:
    target = host.root / SOURCE.lstrip("/")
    target.mkdir(parents=True)
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others"]
    listed = subprocess.run(
        [*git, "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    names = b"\0".join(name for name in listed.split(b"\0") if (ROOT / name.decode()).is_file())
    pack = ["tar", "-c", "--null", "-T", "-"]
    packed = subprocess.run(pack, cwd=ROOT, check=True, capture_output=True, input=names).stdout
    subprocess.run(["tar", "-x", "-C", target], check=True, input=packed)


def _run(host: DebianHost, *argv: str, code: int = 0) -> str:
    authorities = "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"
    said = host.run(
        "env", "-C", "/", authorities, "DEBIAN_FRONTEND=noninteractive", *argv, check=False
    )
    assert said.returncode == code, said.stdout[-3000:] + said.stderr[-3000:]
    return said.stdout if code == 0 else said.stderr


def _siappakai(host: DebianHost, *words: str, code: int = 0) -> dict[str, Any]:
    """Call the command of the checkout, as make does."""
    told = _run(host, f"{SOURCE}/.venv/bin/siappakai", *words, "--json", code=code)
    answer: dict[str, Any] = json.loads(told[told.index("{") :])
    return answer


def _make(host: DebianHost, target: str) -> str:
    """Call make at a terminal, where a person answers yes."""
    return _run(host, "sh", "-c", f"echo y | script -qec 'make -C {SOURCE} {target}' /dev/null")


def _states(host: DebianHost) -> dict[str, str]:
    lines = _run(host, "sh", "-c", STATES).splitlines()
    return dict(line.split(" ", 1) for line in lines)


def _await_running(host: DebianHost) -> None:
    until = time.monotonic() + 120
    while host.run("python3", "-c", ASK, check=False).stdout != "200\n":
        assert time.monotonic() < until, _states(host)
        time.sleep(0.5)
    wanted = {f"siappakai-worker@{number}.service": "active running" for number in (1, 2)}
    for name in ("clock", "clock-worker", "lookout", "panel", "redis", "settler"):
        wanted[f"siappakai-{name}.service"] = "active running"
    assert _states(host) == {**wanted, "siappakai.target": "active active"}


def _processes(host: DebianHost) -> list[str]:
    """Return account and command line of what runs from a program of the service."""
    listed = _run(host, "ps", "-eo", "user:20,args").splitlines()
    return [line for line in listed if " /opt/siappakai/programs/" in line]


def test_without_systemd_all_is_laid_down_and_nothing_started(host: DebianHost) -> None:
    assert "admin" in _make(host, "service")
    again = _siappakai(host, "service", "install")
    assert (again["changed"], again["is_started"], again["password"]) == ([], False, "")
    # The program in use may, a checkout may not.
    told = _run(host, "/usr/local/bin/siappakai", "service", "activate", "--json")
    assert json.loads(told) == {"changed": [], "is_checked": True}
    _siappakai(host, "service", "activate", code=5)
    units = {one["unit"]: one["state"] for one in _siappakai(host, "service", "status")["items"]}
    assert set(units.values()) == {""}
    assert "siappakai-worker@2.service" in units
    _run(host, "nginx", "-q", "-t")
    _run(host, "logrotate", "--debug", "/etc/logrotate.d/siappakai")
    assert not (host.root / "etc/nginx/sites-enabled/default").exists()
    refused = _siappakai(host, "service", "upgrade", "--yes", code=5)
    assert "systemd tidak berjalan" in refused["error"]["what"]
    assert _processes(host) == []


def test_it_starts_with_the_machine_and_no_process_is_root(booted: DebianHost) -> None:
    _await_running(booted)
    assert "nginx: master" in _run(booted, "ps", "-eo", "args")
    assert {line.split()[0] for line in _processes(booted)} == {"siappakai"}
    found = booted.run("/usr/local/bin/siappakai", "doctor", "--json", check=False).stdout
    # Nobody keeps the clock of a machine right that shares its kernel.
    assert all(one["ok"] or one["name"] == "time" for one in json.loads(found)["items"]), found
    assert _run(booted, "systemctl", "--failed", "--plain", "--no-legend") == ""
    # A second time nothing changes, nor starts anew.
    assert _siappakai(booted, "service", "install")["changed"] == []
    assert "active" in _siappakai(booted, "service", "status")["items"][0].values()


def test_what_is_killed_is_started_again(booted: DebianHost) -> None:
    _run(booted, "systemctl", "kill", "--signal=KILL", "siappakai-panel", "siappakai-worker@1")
    time.sleep(3)
    _await_running(booted)


def test_a_closed_process_reaches_nothing_of_the_system(booted: DebianHost) -> None:
    """What the units promise is what the kernel does: asked from inside each one's bounds."""
    clock = _main_pid(booted, "siappakai-clock")
    worker = _main_pid(booted, "siappakai-worker@1")
    assert _status(booted, clock) == {"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0" * 16}
    assert _status(booted, worker) == {"NoNewPrivs": "0", "Seccomp": "2", "CapEff": "0" * 16}
    inside = ("nsenter", f"--target={clock}", "--mount")
    assert "Read-only" in _run(booted, *inside, "touch", "/usr/planted", code=1)
    assert _run(booted, *inside, "ls", "/home") == ""
    inside = ("nsenter", f"--target={worker}", "--mount")
    assert "Read-only" in _run(booted, *inside, "touch", "/home/planted", code=1)
    assert "Read-only" in _run(booted, *inside, "touch", "/proc/sys/kernel/hostname", code=1)


def _main_pid(host: DebianHost, unit: str) -> str:
    return _run(host, "systemctl", "show", "--property=MainPID", "--value", unit).strip()


def _status(host: DebianHost, pid: str) -> dict[str, str]:
    lines = (line.split(":", 1) for line in _run(host, "cat", f"/proc/{pid}/status").splitlines())
    told = {name: value.strip() for name, value in lines}
    return {name: told[name] for name in ("NoNewPrivs", "Seccomp", "CapEff")}


def test_its_workers_prepare_this_machine_and_install_a_village(booted: DebianHost) -> None:
    """Sudo, packages, accounts, MariaDB and PHP from within the bounds of a worker."""
    for words in (
        "release source --use stand-in",
        "regency set 51.02 --name Tabanan --province Bali",
        "village add 51.02.05.2001 --name Sudimara --district-name Tabanan",
        "release pin v2410.0.0",
        "server enrol-local server1",
        "server prepare server1 --follow",
        "site plan 51.02.05.2001 --server server1 --domain sudimara.desa.id",
        "site install 51.02.05.2001 --release v2410.0.0 --follow",
        "site remove 51.02.05.2001 --count 1 --follow",
    ):
        _run(booted, "/usr/local/bin/siappakai", *words.split())


def test_an_upgrade_that_fails_is_taken_back(booted: DebianHost) -> None:
    before = (booted.root / "opt/siappakai/current").readlink().name
    folder = booted.root / SOURCE.lstrip("/") / "siappakai/models/migrations/versions"
    (folder / "9001_planted.py").write_text(FAILING)
    failed = _siappakai(booted, "service", "upgrade", "--yes", code=7)
    (folder / "9001_planted.py").unlink()
    assert "a migration that fails" in failed["error"]["what"]
    assert (booted.root / "opt/siappakai/current").readlink().name == before
    _await_running(booted)
    shown = _run(booted, "/usr/local/bin/siappakai", "user", "list", "--json")
    assert json.loads(shown)["total"] == 1


def test_a_new_program_takes_over(booted: DebianHost) -> None:
    before = (booted.root / "opt/siappakai/current").readlink().name
    assert _siappakai(booted, "service", "upgrade", "--yes")["copy"] == ""
    module = booted.root / SOURCE.lstrip("/") / "siappakai" / "__init__.py"
    module.write_text(f"{module.read_text()}\n# A newer program.\n")
    planned = _siappakai(booted, "service", "upgrade", "--dry-run")
    assert planned["before"] == before != planned["now"]
    assert f"Pasang program di /opt/siappakai/programs/{planned['now']}." in planned["planned"]
    assert before in _make(booted, "upgrade")
    assert (booted.root / "opt/siappakai/current").readlink().name == planned["now"]
    _await_running(booted)
    assert all(planned["now"] in line for line in _processes(booted))


def test_it_goes_and_its_data_stays_until_purged(booted: DebianHost) -> None:
    _siappakai(booted, "service", "uninstall", "--dry-run")
    _await_running(booted)
    gone = _siappakai(booted, "service", "uninstall", "--yes")
    assert gone["is_purged"] is False
    assert (_processes(booted), _states(booted)) == ([], {})
    assert not list((booted.root / "etc/systemd/system").rglob("siappakai*"))
    assert not (booted.root / "usr/local/bin/siappakai").is_symlink()
    assert not (booted.root / "etc/sudoers.d/siappakai").exists()
    assert (booted.root / "var/lib/siappakai/registry.sqlite3").is_file()
    _siappakai(booted, "service", "uninstall", "--purge", "--count", "0", "--yes", code=2)
    _siappakai(booted, "service", "uninstall", "--purge", "--count", "1", "--yes")
    assert not (booted.root / "var/lib/siappakai").exists()
