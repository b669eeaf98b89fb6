"""Ansible module: delete from the gabungan what is shared no more; see DOCUMENTATION."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gabungan import contract
from ansible.module_utils.merging import writer
from ansible.module_utils.outcome import EXPECTED, Refusal, failure
from ansible.module_utils.references import ReferenceMap
from ansible.module_utils.variables import LayoutVars, argument
from ansible.module_utils.withdrawing import Leaving, forget_files, narrow

DOCUMENTATION = """
module: gabungan_narrow
short_description: Delete from the gabungan what villages share no more
description:
  - Deletes the tables of each village of which less is shared than when it was merged, in one
    transaction, and proves them gone. Returns the number of rows by village.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  schema: {description: The gabungan's database, type: str, required: true}
  shares: {description: What each village shares now, by code, type: dict, required: true}
  run_token: {description: Grows with every run, type: int, required: true}
  references: {description: The reference map, type: dict, required: true}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "schema": {"type": "str", "required": True},
            "shares": {"type": "dict", "required": True},
            "run_token": {"type": "int", "required": True},
            "references": {"type": "dict", "required": True},
        },
    )
    try:
        narrowed = _narrow_all(module.params)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem))
    module.exit_json(changed=any(narrowed.values()), gabungan_told=narrowed)


def _narrow_all(params: dict[str, Any]) -> dict[str, int]:
    references, schema = ReferenceMap.read(params["references"]), params["schema"]
    token, shares = params["run_token"], params["shares"]
    with writer(params["layout"]["db_socket"]) as link:
        tables = contract(link, schema, references)
        narrowed = {
            code: narrow(link, Leaving(schema, code, token, tables, references), shares[code])
            for code in shares
        }
    forget_files(Path(params["layout"]["root"], "gabungan"), shares)
    return narrowed


if __name__ == "__main__":
    main()
