"""Ansible module: restore a backup over a site that runs; see DOCUMENTATION."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.comeback import Wish
from ansible.module_utils.order import Order
from ansible.module_utils.outcome import EXPECTED, Refusal, Steps, failure
from ansible.module_utils.restoring import forget, look, restore, undo
from ansible.module_utils.variables import LayoutVars, OrderVars, argument

DOCUMENTATION = """
module: site_restore
short_description: Restore a backup over a site that runs, or take that back
description:
  - Lays the backup down beside what runs, compares it with its manifest and reports as `found`
    which rows and files would change. Unless it only looks, both change places while the site is
    closed for a moment; one that does not get well serves its former state again.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  order: {description: What site_install is told of a site, type: dict, required: true}
  source: {description: The opened backup on the server, type: path, default: ""}
  wish:
    description:
      - C(scope) (site, database, files, or folder and a path below desa/), the number of the
        panel's C(run), and C(until) when the former state may go. Of a backup also its name
        (C(backup)) and the hash of its manifest (C(manifest_sha256)); to undo or forget, the run
        that switched last (C(expects)).
    type: dict
    required: true
  mode:
    description:
      - C(look) changes nothing. C(undo) lets the state that is kept serve again and keeps the
        other, C(forget) drops what is kept.
    type: str
    choices: [look, restore, undo, forget]
    required: true
"""
_MODES = ["look", "restore", "undo", "forget"]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "order": argument(OrderVars),
            "source": {"type": "path", "default": ""},
            "wish": {"type": "dict", "required": True},
            "mode": {"type": "str", "choices": _MODES, "required": True},
        },
        supports_check_mode=False,
    )
    steps = Steps()
    try:
        told = _do(module.params, steps)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem), **steps.result())
    module.exit_json(**{**steps.result(), **told})


def _do(params: dict[str, Any], steps: Steps) -> dict[str, Any]:
    order = Order(layout=params["layout"], **params["order"])
    wish, mode = params["wish"], params["mode"]
    if mode == "forget":
        return {"changed": forget(order, wish["expects"])}
    if mode == "undo":
        done = undo(order, wish["run"], wish["until"], wish["expects"], steps)
        return {"changed": done}
    work = look if mode == "look" else restore
    return {"found": asdict(work(order, Wish(params["source"], **wish), steps))}


if __name__ == "__main__":
    main()
