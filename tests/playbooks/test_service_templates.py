"""The units of the service, judged by systemd's own tools, which need no running systemd."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from siappakai.config import Settings
from siappakai.supervisor import children

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "playbooks" / "roles" / "service"
VENV = Path(sys.prefix)
# Exposure as `systemd-analyze security` counts it, from 0 to 10, times ten.
HARDENED = 18
BECOMES_ROOT = 38
SOCKET = "unix:/run/siappakai-panel/http.sock"
ACCOUNT = "--reuid=siappakai --regid=siappakai --init-groups"
STEPS_DOWN = f"ExecStart=!/usr/bin/setpriv {ACCOUNT} -- {VENV}/"
BECOME_ROOT = {"settler", "lookout", "worker@"}


def _environment() -> Environment:
    # As Ansible sets Jinja up, with the two filters of its own that are used.
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates" / "service"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - configuration files, not HTML
    )
    environment.filters["dirname"] = os.path.dirname
    environment.filters["ternary"] = lambda holds, one, other: one if holds else other
    environment.filters["bool"] = bool
    return environment


def _known(**changes: object) -> dict[str, Any]:
    """Return the role's variables as a play has them."""
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    known = {
        "ansible_managed": "Ansible managed",
        "service_program": str(VENV),
        **defaults,
        **changes,
    }
    texts = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    known["service_python"] = f"{known['service_program']}/bin/python"
    redis, programs = texts["service_redis_process"], texts["service_programs"]
    known["service_processes"] = [
        _filled(process, known)
        for process in ([redis] if known["service_redis"] else []) + programs
    ]
    names = [process["name"] for process in known["service_processes"]]
    workers = [f"worker-{one}" for one in range(1, int(known["service_workers"]) + 1)]
    known["service_logs"] = [name for name in names if name != "worker@"] + workers
    return known


def _filled(process: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    command = _environment().from_string(process["command"]).render(known)
    settings = {"settings": known["service_settings"]} if "settings" in process else {}
    return {**process, "command": command, **settings}


def _lay(folder: Path, **changes: object) -> list[Path]:
    """Write the units into a folder."""
    known, environment = _known(**changes), _environment()
    unit = environment.get_template("process.service.j2")
    laid = []
    for process in known["service_processes"]:
        laid.append(folder / f"siappakai-{process['name']}.service")
        laid[-1].write_text(unit.render(known, item=process))
    laid.append(folder / "siappakai.target")
    laid[-1].write_text(environment.get_template("siappakai.target.j2").render(known))
    return laid


def _render(template: str, **changes: object) -> str:
    return _environment().get_template(template).render(_known(**changes))


def _analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed (Debian package systemd)")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


@pytest.mark.integration
@pytest.mark.parametrize("local_server", [True, False])
def test_systemd_finds_nothing_wrong(tmp_path: Path, *, local_server: bool) -> None:
    laid = _lay(tmp_path, service_local_server=local_server)
    said = _analyze("verify", "--man=no", *laid)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


@pytest.mark.integration
def test_systemd_would_have_found_it(tmp_path: Path) -> None:
    (unit, *_) = _lay(tmp_path)
    unit.write_text(unit.read_text().replace("ExecStart=/usr/bin/", "ExecStart=/nowhere/"))
    assert _analyze("verify", "--man=no", unit).returncode != 0


@pytest.mark.integration
@pytest.mark.parametrize("local_server", [True, False])
def test_each_process_is_closed_as_far_as_it_can_bear(
    tmp_path: Path, *, local_server: bool
) -> None:
    for unit in _lay(tmp_path, service_local_server=local_server)[:-1]:
        name = unit.stem.removeprefix("siappakai-")
        limit = BECOMES_ROOT if local_server and name in BECOME_ROOT else HARDENED
        said = _analyze("security", "--offline=true", f"--threshold={limit}", unit)
        assert said.returncode == 0, f"{name}: {said.stdout[-400:]}{said.stderr}"


def test_what_becomes_root_is_let_and_nothing_else_is(tmp_path: Path) -> None:
    for unit in _lay(tmp_path, service_local_server=True)[:-1]:
        name = unit.stem.removeprefix("siappakai-")
        assert ("NoNewPrivileges=yes" in unit.read_text()) is (name not in BECOME_ROOT), name
        assert (STEPS_DOWN in unit.read_text()) is (name in BECOME_ROOT), name
    for unit in _lay(tmp_path, service_local_server=False)[:-1]:
        assert "NoNewPrivileges=yes" in unit.read_text()
        assert "setpriv" not in unit.read_text()


def _argv(process: dict[str, Any]) -> list[str]:
    """Return the command of a unit; what systemd does about its place in the queue, nice does."""
    niceness = process.get("niceness")
    first = ["nice", "-n", str(niceness)] if niceness else []
    return [*first, *shlex.split(process["command"])]


def test_the_units_are_the_processes_of_the_supervisor(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path, run_dir="/run/siappakai", workers=1)
    told = {process["name"]: _argv(process) for process in _known()["service_processes"]}
    alone = {child.name: list(child.argv) for child in children(settings)}
    alone["worker@"] = alone.pop("worker-1")
    assert told.keys() == alone.keys()
    for name, argv in alone.items():
        places = {sys.executable: f"{VENV}/bin/python", "redis-server": "/usr/bin/redis-server"}
        expected = [places.get(word, word).replace("127.0.0.1:8080", SOCKET) for word in argv]
        assert told[name] == expected, name


def test_no_process_runs_as_root(tmp_path: Path) -> None:
    units = _lay(tmp_path)[:-1]
    assert len(units) == 7
    for unit in units:
        lines = unit.read_text().splitlines()
        assert [one for one in lines if one.startswith("User=")] == ["User=siappakai"]
        (start,) = [one for one in lines if one.startswith("Exec")]
        assert start.startswith(
            (f"ExecStart={VENV}/", "ExecStart=/usr/bin/redis-server ", STEPS_DOWN)
        )


def test_the_target_starts_each_process_once(tmp_path: Path) -> None:
    target = _lay(tmp_path, service_workers=3)[-1].read_text()
    wanted = [line.removeprefix("Wants=") for line in target.splitlines() if "Wants=" in line]
    assert len(wanted) == len(set(wanted)) == 6 + 3
    assert "siappakai-worker@3.service" in wanted


def test_a_queue_elsewhere_needs_no_redis_of_ours(tmp_path: Path) -> None:
    laid = _lay(tmp_path, service_redis=False)
    assert "siappakai-redis.service" not in {path.name for path in laid}
    assert "redis.service" not in laid[-1].read_text()


def test_without_a_certificate_nginx_answers_loopback_and_known_names_alone() -> None:
    text = _render("nginx.conf.j2")
    listens = [line.strip() for line in text.splitlines() if "listen " in line]
    assert listens == ["listen 127.0.0.1:8080 default_server;", "listen 127.0.0.1:8080;"]
    assert "server_name localhost 127.0.0.1;" in text
    assert "return 444;" in text


def test_with_a_certificate_nginx_sends_http_to_https() -> None:
    text = _render(
        "nginx.conf.j2",
        service_certificate="/etc/ssl/panel/chain.pem",
        service_certificate_key="/etc/ssl/panel/key.pem",
        service_hosts=["panel.tabanan.example"],
    )
    listens = [line.strip() for line in text.splitlines() if "listen " in line]
    assert listens == ["listen 80;", "listen [::]:80;", "listen 443 ssl;", "listen [::]:443 ssl;"]
    assert "return 301 https://$host$request_uri;" in text
    assert "ssl_certificate_key /etc/ssl/panel/key.pem;" in text


@pytest.mark.integration
def test_logrotate_understands_its_settings(tmp_path: Path) -> None:
    file = tmp_path / "siappakai"
    state = tmp_path / "state"
    (state / "log").mkdir(parents=True)
    text = _render("logrotate.conf.j2", service_state=str(state), service_account="root")
    file.write_text(text)
    file.chmod(0o644)
    program = shutil.which("logrotate", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("logrotate is not installed")
    (state / "log" / "panel.log").write_text("told\n")
    argv = [program, "--force", "--state", tmp_path / "record", file]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert (state / "log" / "panel.log.1").read_text() == "told\n"
    assert (state / "log" / "panel.log").read_text() == ""


@pytest.mark.integration
@pytest.mark.skipif(os.geteuid() != 0, reason="systemd-tmpfiles changes owners")
def test_the_folders_on_run_come_back_at_boot(tmp_path: Path) -> None:
    program = shutil.which("systemd-tmpfiles")
    if program is None:
        pytest.skip("systemd is not installed (Debian package systemd)")
    file = tmp_path / "siappakai.conf"
    (tmp_path / "log").mkdir()
    told = {"service_run_dir": str(tmp_path / "run"), "service_account": "nobody"}
    told["service_state"] = str(tmp_path)
    socket = str(tmp_path / "panel" / "http.sock")
    text = _render("tmpfiles.conf.j2", service_socket=socket, **told)
    file.write_text(text.replace("nobody nobody", "nobody nogroup"))
    subprocess.run([program, "--create", file], check=True)
    assert (tmp_path / "run").owner() == "nobody"
    assert (tmp_path / "log/worker-2.log").owner() == "nobody"
    panel = tmp_path / "panel"
    assert (panel.owner(), panel.group(), panel.stat().st_mode & 0o777) == (
        "nobody",
        "www-data",
        0o750,
    )
