"""Reload PHP-FPM and nginx of a server gracefully, after testing their configuration."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.daemons import DaemonError
from ansible.module_utils.services import Reload

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


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)  # type: ignore[no-untyped-call] # Ansible has no annotations
    wanted = module.params
    services = Reload(wanted["layout"], php=wanted["php"], nginx=wanted["nginx"])
    try:
        if module.check_mode:
            services.rehearse()
        else:
            services.perform(wanted["sockets"])
    except DaemonError as error:
        module.fail_json(steps=services.steps, **error.told())
    module.exit_json(changed=wanted["php"] or wanted["nginx"], steps=services.steps)


if __name__ == "__main__":
    main()
