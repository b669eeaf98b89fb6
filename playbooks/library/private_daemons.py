"""Start, restart or stop the daemons of a private arrangement."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.daemons import DaemonError, daemons_of, running_pid, start, stop
from ansible.module_utils.run_folders import make_run_folders, missing_run_folders

DOCUMENTATION = r"""
module: private_daemons
short_description: Start, restart or stop the daemons of a private arrangement
description:
  - Leaves a daemon that runs alone, starts one that is down, and says which it did.
  - Recreates the folders on /run that a reboot has emptied.
options:
  layout:
    description: The server's layout; its C(services) must be C(private).
    type: dict
    required: true
  kinds:
    description: Which daemons. C(php) means every PHP-FPM master.
    type: list
    elements: str
    choices: [mariadb, php, nginx]
    default: [mariadb, php, nginx]
  state:
    description: What the daemons shall be.
    type: str
    choices: [started, restarted, stopped]
    default: started
author: SiapPakai
"""

EXAMPLES = r"""
- name: Start the private daemons
  private_daemons:
    layout: "{{ layout }}"
"""

RETURN = r"""
daemons:
  description: Process id by daemon, null when stopped.
  type: dict
  returned: success
steps:
  description: What was done, in order.
  type: list
  elements: dict
  returned: always
"""

ARGUMENTS: dict[str, dict[str, Any]] = {
    "layout": {"type": "dict", "required": True},
    "kinds": {
        "type": "list",
        "elements": "str",
        "choices": ["mariadb", "php", "nginx"],
        "default": ["mariadb", "php", "nginx"],
    },
    "state": {
        "type": "str",
        "choices": ["started", "restarted", "stopped"],
        "default": "started",
    },
}


def chosen_daemons(layout: dict[str, Any], kinds: list[str], state: str) -> list[Any]:
    """Return the daemons of `kinds`; the last started is the first stopped."""
    chosen = [one for one in daemons_of(layout) if one.name.rstrip("0123456789.") in kinds]
    return chosen[::-1] if state == "stopped" else chosen


def settle(daemon: Any, state: str, *, dry_run: bool) -> bool:
    """Bring one daemon to `state`; return whether that changed anything."""
    runs = running_pid(daemon) is not None
    if dry_run:
        return state == "restarted" or runs != (state == "started")
    stopped = state != "started" and stop(daemon)
    if state == "stopped" or (runs and state == "started"):
        return stopped
    start(daemon)
    return True


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)  # type: ignore[no-untyped-call] # Ansible has no annotations
    layout, state = module.params["layout"], module.params["state"]
    if layout["services"] != "private":
        module.fail_json(
            msg="This server uses the machine's own services. Manage them with the machine's"
            " service command.",
            error={"code": "not_private", "params": {}},
            steps=[],
        )
    changed = bool(state != "stopped" and prepare(layout, dry_run=module.check_mode))
    steps: list[dict[str, Any]] = []
    daemons = chosen_daemons(layout, module.params["kinds"], state)
    for daemon in daemons:
        began = time.monotonic()
        step = {"name": f"{state}_{daemon.name}", "changed": False, "detail": ""}
        steps.append(step)
        try:
            step["changed"] = settle(daemon, state, dry_run=module.check_mode)
        except DaemonError as error:
            step.update(failed=True, seconds=time.monotonic() - began, detail=str(error))
            module.fail_json(steps=steps, **error.told())
        step["seconds"] = round(time.monotonic() - began, 3)
        changed = changed or bool(step["changed"])
    pids = {daemon.name: running_pid(daemon) for daemon in daemons}
    module.exit_json(changed=changed, steps=steps, daemons=pids)


def prepare(layout: dict[str, Any], *, dry_run: bool) -> list[str]:
    """Return the folders on /run that were missing; they exist afterwards unless `dry_run`."""
    folders: list[str] = (missing_run_folders if dry_run else make_run_folders)(layout)
    return folders


if __name__ == "__main__":
    main()
