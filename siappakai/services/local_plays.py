"""Playbooks played right here and now, apart from runs: their caller waits for the end."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from siappakai.ansible.events import TaskEnded, read_event
from siappakai.ansible.runner import PlayRequest, play
from siappakai.errors import SiapPakaiError
from siappakai.wording import say

_HERE: Final = {"ansible_connection": "local", "ansible_become": False}
_PLAY_SECONDS: Final = 3600


@dataclass
class _Listener:
    """Hears what a play did."""

    changed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def on_start(self, pid: int, started: int) -> None:
        """Keep nothing: whoever plays here waits for the end."""

    def on_event(self, event: dict[str, Any]) -> None:
        ended = read_event(event)
        if isinstance(ended, TaskEnded) and ended.has_failed:
            self.failed.append(f"{ended.task}: {ended.message}")
        elif isinstance(ended, TaskEnded) and ended.changed:
            self.changed.append(ended.task)

    def should_stop(self) -> bool:
        return False


def play_here(
    playbook: str,
    extra_vars: dict[str, Any],
    *,
    inventory: dict[str, Any] | None = None,
    seconds: int = _PLAY_SECONDS,
) -> list[str]:
    """Play a playbook; return the tasks that changed something, raise SiapPakaiError.

    Without an `inventory` on this very machine, as whoever calls.
    """
    listener = _Listener()
    with tempfile.TemporaryDirectory(prefix="siappakai-play-") as folder:
        request = PlayRequest(
            playbook=playbook,
            inventory=inventory or {"all": {"hosts": {"localhost": _HERE}}},
            extra_vars=extra_vars,
            workspace=Path(folder) / "play",
            forks=1,
            timeout_seconds=seconds,
        )
        outcome = play(request, listener)
    if outcome.return_code != 0:
        raise SiapPakaiError(
            say(
                "%(playbook)s gagal: %(reason)s",
                playbook=playbook,
                reason="; ".join(listener.failed) or outcome.status,
            ),
            say("Perbaiki sebabnya, lalu ulangi perintah ini."),
        )
    return listener.changed
