"""Ansible action: bring a file that nobody else may see; once there is room, and past no folder.

`ansible.builtin.copy` lays a file down in the temporary folder of whoever logs in, where a play
that is killed leaves it, in clear; then it moves it. This one streams it into its place as whom
the play becomes, a piece at a time.
"""

from __future__ import annotations

import shlex
from pathlib import Path, PurePosixPath
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# Each costs a command on the server; as much is in memory.
_PIECE = 8 << 20


class ActionModule(ActionBase):
    """Writes `src`, of the machine that plays, to `dest`, mode 0600, in a folder that is there.

    `what` names it when there is no room.
    """

    _VALID_ARGS = frozenset({"src", "dest", "what"})

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the result of the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)  # type: ignore[no-untyped-call] # Ansible has no annotations
        given = self._task.args
        source, target = Path(given["src"]), PurePosixPath(given["dest"])
        room = {
            "folder": str(target.parent),
            "needed": source.stat().st_size,
            "what": given["what"],
        }
        seen: dict[str, Any] = self._execute_module(  # type: ignore[no-untyped-call] # Ansible has no annotations
            "room_check", room, task_vars=task_vars
        )
        if seen.get("failed"):
            return result | seen
        self._stream(source, shlex.quote(str(target)))
        return result | {"changed": True}

    def _stream(self, source: Path, target: str) -> None:
        self._tell(f"umask 077 && rm -f -- {target} && : > {target}")
        with source.open("rb") as file:
            while piece := file.read(_PIECE):
                self._tell(f"cat >> {target}", piece)

    def _tell(self, command: str, given: bytes | None = None) -> None:
        done = self._low_level_execute_command(command, in_data=given)  # type: ignore[no-untyped-call] # Ansible has no annotations
        if done["rc"] != 0:
            said = done["stderr"].strip() or done["stdout"].strip()
            raise AnsibleActionFail(
                f"The file could not be brought: {said}. Look at the server's disk, then run this"
                " again."
            )
