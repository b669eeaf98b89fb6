"""Ansible module: look whether the gabungan is what was merged; see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gabungan import contract
from ansible.module_utils.merging import writer
from ansible.module_utils.outcome import EXPECTED, Refusal, failure
from ansible.module_utils.references import ReferenceMap
from ansible.module_utils.variables import LayoutVars, argument
from ansible.module_utils.verifying import verify

DOCUMENTATION = """
module: gabungan_verify
short_description: Compare the gabungan with what was merged into it
description:
  - Returns by village which tables were changed since by somebody else, and the
    numbers that several villages have in common.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  schema: {description: The gabungan's database, type: str, required: true}
  references: {description: The reference map, type: dict, required: true}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "schema": {"type": "str", "required": True},
            "references": {"type": "dict", "required": True},
        },
    )
    references = ReferenceMap.read(module.params["references"])
    schema = module.params["schema"]
    try:
        with writer(module.params["layout"]["db_socket"]) as link:
            found = verify(link, schema, contract(link, schema, references), references)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem))
    module.exit_json(gabungan_told=found)


if __name__ == "__main__":
    main()
