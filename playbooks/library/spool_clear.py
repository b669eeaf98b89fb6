"""Ansible module: delete from a server's spool what its stores have; see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.outcome import EXPECTED, failure
from ansible.module_utils.spool import clear
from ansible.module_utils.variables import LayoutVars, argument

DOCUMENTATION = """
module: spool_clear
short_description: Delete sealed backups that all their stores have
description:
  - Deletes what is named, and what lies there for more than a day without being expected.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  keep: {description: Names that must stay, type: list, elements: str, required: true}
  drop: {description: Names that are done with, type: list, elements: str, required: true}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "keep": {"type": "list", "elements": "str", "required": True},
            "drop": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        gone = clear(given["layout"], keep=given["keep"], drop=given["drop"], dry=module.check_mode)
    except EXPECTED as problem:
        module.fail_json(**failure(problem))
    module.exit_json(changed=bool(gone), told={name: {"dropped": True} for name in gone})


if __name__ == "__main__":
    main()
