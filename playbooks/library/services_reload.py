"""Reload PHP-FPM and nginx of a server gracefully, after testing their configuration."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.daemons import Daemon, DaemonError, daemons_of
from ansible.module_utils.reloading import (
    check_config,
    reload,
    require_prepared,
    require_sockets,
)
from ansible.module_utils.run_folders import make_run_folders

DOCUMENTATION = r"""
module: services_reload
short_description: Reload PHP-FPM and nginx gracefully, after testing their configuration
description:
  - Tests every configuration first; when one is bad nothing is reloaded and the file is named.
  - Starts what is down, also after a reboot emptied /run.
  - Requests that run are finished; PHP-FPM waits for them as long as its master is set to.
options:
  layout:
    description: The server's layout.
    type: dict
    required: true
  php:
    description: Whether to reload the PHP-FPM masters.
    type: bool
    default: true
  nginx:
    description: Whether to reload nginx.
    type: bool
    default: true
  sockets:
    description: Unix sockets that must accept connections afterwards.
    type: list
    elements: str
    default: []
author: SiapPakai
"""

EXAMPLES = r"""
- name: Reload PHP-FPM and nginx once
  services_reload:
    layout: "{{ layout }}"
    sockets: "{{ sites | map(attribute='socket') }}"
"""

RETURN = r"""
steps:
  description: What was tested, reloaded or started, in order.
  type: list
  elements: dict
  returned: always
error:
  description: Code and parameters of what went wrong.
  type: dict
  returned: failure
"""

ARGUMENTS: dict[str, dict[str, Any]] = {
    "layout": {"type": "dict", "required": True},
    "php": {"type": "bool", "default": True},
    "nginx": {"type": "bool", "default": True},
    "sockets": {"type": "list", "elements": "str", "default": []},
}


class Reloading:
    """The steps of one reload, kept so that a failure can tell what went before it."""

    def __init__(self, daemons: list[Daemon]) -> None:
        self.daemons = daemons
        self.steps: list[dict[str, Any]] = []

    def test(self) -> None:
        """Test every configuration; raises DaemonError."""
        for daemon in self.daemons:
            self._step(f"test_{daemon.name}", lambda one=daemon: check_config(one) or "")

    def reload(self, sockets: list[str]) -> None:
        """Reload every daemon, PHP before nginx, which sends to it; raises DaemonError."""
        for daemon in self.daemons:
            self._step(f"reload_{daemon.name}", lambda one=daemon: reload(one), changed=True)
        if sockets:
            self._step("await_sockets", lambda: require_sockets(sockets) or "")

    def _step(self, name: str, work: Any, *, changed: bool = False) -> None:
        began = time.monotonic()
        step = {"name": name, "changed": changed, "detail": "", "seconds": 0.0}
        self.steps.append(step)
        try:
            step["detail"] = work()
        except DaemonError as error:
            step.update(failed=True, changed=False, detail=str(error))
            raise
        finally:
            step["seconds"] = round(time.monotonic() - began, 3)


def chosen_daemons(layout: dict[str, Any], *, php: bool, nginx: bool) -> list[Daemon]:
    """Return the daemons to reload, the PHP-FPM masters first."""
    return [
        daemon
        for daemon in daemons_of(layout)
        if (php and daemon.name.startswith("php")) or (nginx and daemon.name == "nginx")
    ]


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)  # type: ignore[no-untyped-call] # Ansible has no annotations
    wanted = module.params
    daemons = chosen_daemons(wanted["layout"], php=wanted["php"], nginx=wanted["nginx"])
    if module.check_mode:
        # What a first run would only write now cannot be tested.
        daemons = [daemon for daemon in daemons if Path(daemon.config).exists()]
    reloading = Reloading(daemons)
    try:
        require_prepared(daemons)
        if not module.check_mode:
            make_run_folders(wanted["layout"])
        reloading.test()
        if not module.check_mode:
            reloading.reload(wanted["sockets"])
    except DaemonError as error:
        module.fail_json(
            msg=str(error),
            error={"code": error.code, "params": error.params},
            steps=reloading.steps,
        )
    module.exit_json(changed=wanted["php"] or wanted["nginx"], steps=reloading.steps)


if __name__ == "__main__":
    main()
