"""Ansible module: take villages out of the gabungan; see DOCUMENTATION."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gabungan import contract
from ansible.module_utils.merging import writer
from ansible.module_utils.outcome import EXPECTED, Refusal, failure
from ansible.module_utils.references import ReferenceMap
from ansible.module_utils.variables import LayoutVars, argument
from ansible.module_utils.withdrawing import Leaving, forget_files, withdraw

DOCUMENTATION = """
module: gabungan_withdraw
short_description: Take villages out of the gabungan
description:
  - Deletes everything of each village in one transaction and proves it gone. Its place is never
    given to another village. Returns the number of rows by village.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  schema: {description: The gabungan's database, type: str, required: true}
  codes: {description: The villages' codes, type: list, elements: str, required: true}
  run_token: {description: Grows with every run, type: int, required: true}
  references: {description: The reference map, type: dict, required: true}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "schema": {"type": "str", "required": True},
            "codes": {"type": "list", "elements": "str", "required": True},
            "run_token": {"type": "int", "required": True},
            "references": {"type": "dict", "required": True},
        },
    )
    try:
        withdrawn = _withdraw_all(module.params)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem))
    module.exit_json(changed=any(withdrawn.values()), gabungan_told=withdrawn)


def _withdraw_all(params: dict[str, Any]) -> dict[str, int]:
    references, schema = ReferenceMap.read(params["references"]), params["schema"]
    with writer(params["layout"]["db_socket"]) as link:
        tables = contract(link, schema, references)
        withdrawn = {
            code: withdraw(link, Leaving(schema, code, params["run_token"], tables, references))
            for code in params["codes"]
        }
    forget_files(Path(params["layout"]["root"], "gabungan"), params["codes"])
    return withdrawn


if __name__ == "__main__":
    main()
