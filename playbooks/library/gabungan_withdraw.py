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
from ansible.module_utils.withdrawing import (
    Leaving,
    Place,
    forget_files,
    of_each,
    refuse_rest,
    withdraw,
)

DOCUMENTATION = """
module: gabungan_withdraw
short_description: Take villages out of the gabungan
description:
  - Deletes everything of each village in one transaction and proves it gone. Its place is never
    given to another village. Returns the number of rows by village. One that cannot be taken out
    does not keep the others in.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  schema: {description: The gabungan's database, type: str, required: true}
  places: {description: The villages' places by code, type: dict, required: true}
  run_token: {description: Grows with every run, type: int, required: true}
  references: {description: The reference map, type: dict, required: true}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "schema": {"type": "str", "required": True},
            "places": {"type": "dict", "required": True},
            "run_token": {"type": "int", "required": True},
            "references": {"type": "dict", "required": True},
        },
    )
    try:
        withdrawn, failed = _withdraw_all(module.params)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem))
    told: dict[str, Any] = {"changed": any(withdrawn.values()), "gabungan_told": withdrawn}
    try:
        refuse_rest(withdrawn, failed)
    except Refusal as problem:
        module.fail_json(**failure(problem), **told)
    module.exit_json(**told)


def _withdraw_all(params: dict[str, Any]) -> tuple[dict[str, int], dict[str, str]]:
    references, schema = ReferenceMap.read(params["references"]), params["schema"]
    token, places = params["run_token"], params["places"]
    with writer(params["layout"]["db_socket"]) as link:
        tables = contract(link, schema, references)

        def leave(code: str) -> int:
            leaving = Leaving(schema, code, token, tables, references)
            return int(withdraw(link, leaving, Place(**places[code])))

        told, failed = of_each(places, leave)
    forget_files(Path(params["layout"]["root"], "gabungan"), places)
    return told, failed


if __name__ == "__main__":
    main()
