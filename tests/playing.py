"""Plays a playbook as a person would, with an inventory made for the occasion."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLAYBOOKS = Path(__file__).parent.parent / "playbooks"

_RECAP = re.compile(
    r"^(?P<host>\S+) +: ok=\d+ +changed=(?P<changed>\d+) +unreachable=(?P<unreachable>\d+)"
    r" +failed=(?P<failed>\d+)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Played:
    """What a play said and did, per host."""

    text: str
    changed: Mapping[str, int]
    failed: Mapping[str, int]

    @property
    def succeeded(self) -> bool:
        return bool(self.failed) and not any(self.failed.values())


def play(playbook: str | Path, inventory: Mapping[str, Any], *options: str) -> Played:
    """Play one of our playbooks by name (without .yml), or any by path; tell what came of it."""
    book = PLAYBOOKS / f"{playbook}.yml" if isinstance(playbook, str) else playbook
    program = Path(sys.executable).with_name("ansible-playbook")
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg")}
    environment["ANSIBLE_NOCOLOR"] = "1"
    with tempfile.TemporaryDirectory(prefix="siappakai-play-") as folder:
        hosts = Path(folder) / "inventory.json"
        hosts.write_text(json.dumps(inventory))
        done = subprocess.run(
            [str(program), "-i", str(hosts), *options, str(book)],
            capture_output=True,
            check=False,
            env=environment,
            text=True,
        )
    text = done.stdout + done.stderr
    recap = list(_RECAP.finditer(text))
    return Played(
        text=text,
        changed={one["host"]: int(one["changed"]) for one in recap},
        failed={one["host"]: int(one["failed"]) + int(one["unreachable"]) for one in recap},
    )


def servers(layout: Any, **connection: object) -> dict[str, Any]:
    """Return an inventory of one server, this machine unless `connection` says otherwise."""
    reached = connection or {"ansible_connection": "local"}
    return {"servers": {"hosts": {"server-1": {**reached, "layout": layout.as_vars()}}}}
