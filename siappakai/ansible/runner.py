"""Playing a playbook: the one place that starts Ansible."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_runner import interface

from siappakai.ansible.processes import MARKER, kill_marked, marked, started_at
from siappakai.config import share_folder

_POLL_SECONDS = 1
# The known hosts and the key of the play alone: nothing of the machine's or the account's own
# settings of SSH, nor an agent's keys.
_SSH_OPTIONS = (
    "-F /dev/null -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes"
    " -o StrictHostKeyChecking=yes"
)
_BRIEF = {"ANSIBLE_SSH_RETRIES": "0", "ANSIBLE_TIMEOUT": "10"}


@dataclass(frozen=True, slots=True)
class PlayRequest:
    """What to play. `workspace` must not exist; it is made 0700 and removed afterwards.

    Its path marks the processes of this play. `private_key` and `known_hosts` are texts.
    `is_brief` gives up early on a server that does not answer.
    """

    playbook: str
    inventory: dict[str, Any]
    extra_vars: dict[str, Any]
    workspace: Path
    forks: int
    timeout_seconds: int
    private_key: str = ""
    known_hosts: str = ""
    is_brief: bool = False


@dataclass(frozen=True, slots=True)
class PlayOutcome:
    """How a play ended: `status` is successful, failed, canceled or timeout."""

    status: str
    return_code: int


class Watcher(Protocol):
    """What the caller wants to know while a play runs. An error in it ends the play."""

    def on_start(self, pid: int, started: int) -> None:
        """Take note of the ansible-playbook process."""

    def on_event(self, event: dict[str, Any]) -> None:
        """Take one event of ansible-runner."""

    def should_stop(self) -> bool:
        """Tell whether the play shall be killed; asked about once a second."""


def play(request: PlayRequest, watcher: Watcher) -> PlayOutcome:
    """Play a playbook to its end; raise what the watcher raised, after killing the play."""
    request.workspace.mkdir(mode=0o700, parents=True)
    try:
        return _Session(request, watcher).run()
    finally:
        sweep(request.workspace)


def sweep(workspace: Path) -> int:
    """Kill what is left of the play in `workspace`, remove that; return how many were killed."""
    killed = kill_marked(workspace)
    shutil.rmtree(workspace, ignore_errors=True)
    return killed


class _Session:
    """One play: guards the watcher, since ansible-runner must not see its exceptions."""

    def __init__(self, request: PlayRequest, watcher: Watcher) -> None:
        self.request = request
        self.watcher = watcher
        self.failure: BaseException | None = None
        self.announced = False

    def run(self) -> PlayOutcome:
        result = interface.run(
            private_data_dir=str(self.request.workspace),
            project_dir=str(share_folder("playbooks")),
            playbook=self.request.playbook,
            inventory=self._write("inventory.json", json.dumps(self.request.inventory), "hosts"),
            extravars=self.request.extra_vars,
            envvars=self._environment(),
            forks=self.request.forks,
            timeout=self.request.timeout_seconds,
            settings={"pexpect_timeout": _POLL_SECONDS},
            event_handler=self._on_event,
            cancel_callback=self._stop,
            quiet=True,
        )
        if self.failure is not None:
            raise self.failure
        return PlayOutcome(status=str(result.status), return_code=int(result.rc))

    def _environment(self) -> dict[str, str]:
        # The venv's own ansible-playbook, whatever PATH the worker was started with.
        path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
        control = self.request.workspace / "cp"
        control.mkdir(mode=0o700)
        ssh = f"-o UserKnownHostsFile={self._write('known_hosts', self.request.known_hosts)}"
        return {
            "PATH": path,
            MARKER: str(self.request.workspace),
            "ANSIBLE_CONFIG": str(share_folder("playbooks") / "ansible.cfg"),
            "ANSIBLE_PRIVATE_KEY_FILE": self._write("identity", self.request.private_key),
            "ANSIBLE_SSH_COMMON_ARGS": f"{_SSH_OPTIONS} {ssh}",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control),
            "ANSIBLE_LOCAL_TEMP": str(self.request.workspace / "tmp"),
            **(_BRIEF if self.request.is_brief else {}),
        }

    def _write(self, name: str, text: str, folder: str = "files") -> str:
        path = self.request.workspace / folder / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
        return str(path)

    def _on_event(self, event: dict[str, Any]) -> bool:
        self._guard(self.watcher.on_event, event)
        return False  # the registry keeps it, not a file

    def _stop(self) -> bool:
        if not self.announced:
            self._guard(self._announce)
        if self.failure is None and not self._guard(self.watcher.should_stop):
            return False
        kill_marked(self.request.workspace)
        return True

    def _announce(self) -> None:
        for pid in marked(self.request.workspace)[:1]:
            self.announced = True
            self.watcher.on_start(pid, started_at(pid) or 0)

    def _guard(self, function: Callable[..., Any], *args: Any) -> Any:
        if self.failure is not None:
            return None
        try:
            return function(*args)
        except BaseException as error:  # noqa: BLE001 - kept, and raised once the play has ended
            self.failure = error
            return None
