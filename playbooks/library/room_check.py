"""Ansible module: see whether a disk has room for something; see DOCUMENTATION."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.outcome import EXPECTED, Refusal, failure
from ansible.module_utils.room import check_room

DOCUMENTATION = """
module: room_check
short_description: See whether a disk has room for something that is about to be brought
description:
  - Refuses unless there is room besides what must stay free for the villages. Changes nothing.
options:
  folder: {description: A folder on the disk, type: path, required: true}
  needed: {description: The room that is needed in bytes, type: int, required: true}
  what: {description: "What needs it, for the message", type: str, required: true}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "folder": {"type": "path", "required": True},
            "needed": {"type": "int", "required": True},
            "what": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        check_room(Path(given["folder"]), given["needed"], given["what"])
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem))
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
