"""What a play is given of its environment."""

import json
from pathlib import Path
from typing import Any

import pytest

from siappakai.ansible import runner

# Writes down the environment it was started with.
_PROGRAM = """#!/usr/bin/env python3
import json, os, pathlib
pathlib.Path({told!r}).write_text(json.dumps(dict(os.environ)))
"""


class Silent:
    """A watcher that wants nothing."""

    def on_start(self, pid: int, started: int) -> None:
        self.started = pid, started

    def on_event(self, event: dict[str, Any]) -> None:
        self.event = event

    def should_stop(self) -> bool:
        return False


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment that ansible-playbook gets, told by a program in its place."""
    told, program = tmp_path / "told.json", tmp_path / "bin/ansible-playbook"
    program.parent.mkdir()
    program.write_text(_PROGRAM.format(told=str(told)))
    program.chmod(0o755)
    monkeypatch.setattr(runner.sys, "executable", str(program.with_name("python")))
    request = runner.PlayRequest(
        playbook="health.yml",
        inventory={},
        extra_vars={},
        workspace=tmp_path / "play",
        forks=1,
        timeout_seconds=30,
    )
    runner.play(request, Silent())
    found: dict[str, str] = json.loads(told.read_text())
    return found


def test_ssh_knows_only_the_hosts_and_the_key_of_the_play(environment: dict[str, str]) -> None:
    arguments = environment["ANSIBLE_SSH_COMMON_ARGS"]
    assert arguments.startswith("-F /dev/null ")
    for option in (
        "GlobalKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=",
    ):
        assert f"-o {option}" in arguments
