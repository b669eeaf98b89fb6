"""Who the panel's own processes are, and the one rule by which they reach root."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from siappakai.config import Settings

ROOT = Path(__file__).parents[2]
TASKS = yaml.safe_load((ROOT / "playbooks/roles/panel/tasks/main.yml").read_text())
DEFAULTS = yaml.safe_load((ROOT / "playbooks/roles/panel/defaults/main.yml").read_text())


def _task(name: str) -> dict[str, Any]:
    (found,) = [task for task in TASKS if task["name"] == name]
    return dict(found)


def _rule() -> dict[str, Any]:
    return dict(_task("Let the panel's account prepare this machine")["ansible.builtin.copy"])


@pytest.mark.integration
def test_sudo_accepts_the_rule_and_logs_each_command(tmp_path: Path) -> None:
    visudo = shutil.which("visudo", path="/usr/sbin:/usr/bin")
    if visudo is None:
        pytest.skip("sudo is not installed (Debian package sudo)")
    file = tmp_path / "rule"
    file.write_text(_rule()["content"])
    file.chmod(0o440)
    said = subprocess.run([visudo, "-cf", file], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "logfile=/var/log/siappakai/sudo.log" in file.read_text()


def test_the_rule_is_for_one_account_and_nobody_else_may_change_it() -> None:
    rule = _rule()
    people = [line.split()[0] for line in rule["content"].splitlines()]
    assert people == ["Defaults:siappakai", "siappakai"]
    assert (rule["owner"], rule["mode"]) == ("root", "0440")
    assert rule["validate"] == "/usr/sbin/visudo -cf %s"


def test_a_machine_that_is_no_server_has_no_rule() -> None:
    given = _task("Let the panel's account prepare this machine")
    gone = _task("Keep the panel's account from this machine, which is no server")
    assert given["when"] == "panel_local_server"
    assert gone["when"] == "not panel_local_server"
    assert gone["ansible.builtin.file"] == {"path": _rule()["dest"], "state": "absent"}
    assert DEFAULTS["panel_local_server"] is True


def test_the_account_opens_to_nobody_and_owns_no_program() -> None:
    account = _task("Make the panel's account")["ansible.builtin.user"]
    assert (account["shell"], account["password"]) == ("/usr/sbin/nologin", "!")
    folders = _task("Make the panel's folders")["loop"]
    owners = {folder["path"]: folder["owner"] for folder in folders}
    assert owners["{{ panel_program }}"] == "root"
    assert owners["{{ panel_state }}"] == "siappakai"


def _make_run(*given: str) -> str:
    """Return what `make run` would do, a command per line."""
    return subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "run", *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace("\\\n", " ")


@pytest.mark.parametrize("is_held", [True, False])
def test_make_run_refuses_before_it_touches_the_program_of_a_panel_at_work(
    tmp_path: Path, *, is_held: bool
) -> None:
    file = tmp_path / "supervisor.lock"
    lines = _make_run("SUDO=", f"LOCK={file}").splitlines()
    (check,) = [line for line in lines if str(file) in line]
    assert lines.index(check) < next(n for n, one in enumerate(lines) if "ansible-playbook" in one)
    assert subprocess.run(["sh", "-c", check], check=False).returncode == 0
    with file.open("w") as lock:
        if is_held:
            fcntl.flock(lock, fcntl.LOCK_EX)
        ended = subprocess.run(["sh", "-c", check], capture_output=True, text=True, check=False)
    assert ended.returncode == int(is_held)
    assert ("stop it first" in ended.stdout) is is_held


def test_make_run_checks_the_lock_its_supervisor_holds() -> None:
    assert f"{Settings().run_dir}/supervisor.lock" in _make_run()


def test_make_run_steps_down_before_anything_of_the_panel_starts() -> None:
    said = _make_run()
    (started,) = [line for line in said.splitlines() if "siappakai.supervisor" in line]
    stepped = re.search(r"setpriv --reuid siappakai --regid siappakai --init-groups --", started)
    assert stepped is not None
    assert stepped.end() < started.index("siappakai.supervisor")
