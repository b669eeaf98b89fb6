"""Remove every trace of a private arrangement."""

from __future__ import annotations

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.daemons import DaemonError, daemons_of, running_pid, stop
from ansible.module_utils.purging import (
    remove_paths,
    remove_users,
    require_private,
    site_users,
    traces,
)

DOCUMENTATION = r"""
module: private_purge
short_description: Remove every trace of a private arrangement
description:
  - Stops its daemons, then removes its sites' unix users, its folders and its log rotation.
  - Refuses a server that uses the machine's own services, and a root folder without the mark
    that C(server.yml) leaves there.
options:
  layout:
    description: The server's layout.
    type: dict
    required: true
author: SiapPakai
"""

EXAMPLES = r"""
- name: Remove the demonstration
  private_purge:
    layout: "{{ layout }}"
"""

RETURN = r"""
removed:
  description: Names of the daemons, users and paths that are gone.
  type: list
  elements: str
  returned: success
"""

ARGUMENTS: dict[str, dict[str, Any]] = {"layout": {"type": "dict", "required": True}}


def present(layout: dict[str, Any]) -> list[str]:
    """Return what there is to remove."""
    running = [one.name for one in daemons_of(layout) if running_pid(one) is not None]
    return [*running, *site_users(layout["prefix"]), *traces(layout)]


def purge(layout: dict[str, Any]) -> list[str]:
    """Remove everything and return what there was; raises DaemonError."""
    stopped = [daemon.name for daemon in reversed(daemons_of(layout)) if stop(daemon)]
    return [*stopped, *remove_users(layout["prefix"]), *remove_paths(layout)]


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)  # type: ignore[no-untyped-call] # Ansible has no annotations
    # A folder about to be removed may be where the play was started.
    os.chdir("/")
    layout = module.params["layout"]
    try:
        require_private(layout)
        removed = present(layout) if module.check_mode else purge(layout)
    except DaemonError as error:
        module.fail_json(msg=str(error), error={"code": error.code, "params": error.params})
    module.exit_json(changed=bool(removed), removed=removed)


if __name__ == "__main__":
    main()
