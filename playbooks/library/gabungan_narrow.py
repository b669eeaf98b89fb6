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
from ansible.module_utils.withdrawing import Leaving, forget_files, narrow, of_each, refuse_rest

DOCUMENTATION = """
module: gabungan_narrow
short_description: Delete from the gabungan what villages share no more
description:
  - Deletes the tables of each village of which less is shared than when it was merged, in one
    transaction, and proves them gone. Returns by village the number of rows, and what it shares
    now. One that fails does not keep the others from it.
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
        narrowed, failed = _narrow_all(module.params)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem))
    changed = any(one["rows"] for one in narrowed.values())
    told: dict[str, Any] = {"changed": changed, "gabungan_told": narrowed}
    try:
        refuse_rest(narrowed, failed)
    except Refusal as problem:
        module.fail_json(**failure(problem), **told)
    module.exit_json(**told)


def _narrow_all(params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    references, schema = ReferenceMap.read(params["references"]), params["schema"]
    token, shares = params["run_token"], params["shares"]
    with writer(params["layout"]["db_socket"]) as link:
        tables = contract(link, schema, references)

        def leave(code: str) -> dict[str, Any]:
            leaving = Leaving(schema, code, token, tables, references)
            return {"rows": narrow(link, leaving, shares[code]), "shares": shares[code]}

        told, failed = of_each(shares, leave)
    forget_files(Path(params["layout"]["root"], "gabungan"), shares)
    return told, failed


if __name__ == "__main__":
    main()
