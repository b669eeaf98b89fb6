"""Ansible module: put everything that is a village's into one archive; see DOCUMENTATION."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.handing_out import hand_out
from ansible.module_utils.outcome import EXPECTED, Refusal, Steps, failure
from ansible.module_utils.variables import LayoutVars, SiteVars, argument

DOCUMENTATION = """
module: site_export
short_description: Put everything that is a village's into one archive
description:
  - A zip with the database (definers taken off), the folder desa/ with its app_key, and how to
    put both on another hosting. It can be read by one account alone, which fetches it.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  site: {description: The site, type: dict, required: true}
  target: {description: The archive to write, type: path, required: true}
  owner: {description: User id of who fetches it, type: int, required: true}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "site": argument(SiteVars),
            "target": {"type": "path", "required": True},
            "owner": {"type": "int", "required": True},
        },
        supports_check_mode=False,
    )
    steps, wanted = Steps(), module.params
    try:
        size = hand_out(
            wanted["layout"], wanted["site"], Path(wanted["target"]), wanted["owner"], steps
        )
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem), **steps.result())
    module.exit_json(**{**steps.result(), "changed": True}, size=size)


if __name__ == "__main__":
    main()
