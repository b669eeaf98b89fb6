"""Processes of a play are found by what they carry in their environment, and killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

from siappakai.ansible.processes import MARKER, descendants, kill_marked, marked, started_at
from siappakai.ansible.runner import sweep

# A parent that leaves a child in a session of its own, as Ansible does, and then dies.
FORKING = """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
time.sleep(600)
"""


def launch(workspace: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", FORKING], env={MARKER: str(workspace)})
    while len(marked(workspace)) < 2:
        time.sleep(0.01)
    return process


def test_a_play_is_killed_with_what_fled_from_it(tmp_path: Path) -> None:
    parent = launch(tmp_path / "1-5")
    assert marked(tmp_path / "1-5")[0] == parent.pid
    assert set(marked(tmp_path / "1-5")[1:]) <= set(descendants(os.getpid()))
    parent.kill()
    parent.wait()
    assert len(marked(tmp_path / "1-5")) == 1
    assert kill_marked(tmp_path / "1-5") == 1
    assert marked(tmp_path / "1-5") == []
    assert kill_marked(tmp_path / "1-5") == 0


def test_another_play_is_left_alone(tmp_path: Path) -> None:
    parent = launch(tmp_path / "1-55")
    assert kill_marked(tmp_path / "1-5") == 0
    assert parent.poll() is None
    assert kill_marked(tmp_path / "1-55") == 2
    parent.wait()


def test_sweeping_ends_the_play_and_takes_its_secrets_away(tmp_path: Path) -> None:
    workspace = tmp_path / "1-5"
    (workspace / "files").mkdir(parents=True)
    parent = launch(workspace)
    assert sweep(workspace) == 2
    parent.wait()
    assert not workspace.exists()
    assert sweep(workspace) == 0


def test_a_process_has_a_start_time_while_it_lives() -> None:
    assert started_at(os.getpid()) is not None
    process = subprocess.Popen(["true"])
    process.wait()
    assert started_at(process.pid) is None
