"""Ansible module: take over a running village; see DOCUMENTATION."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.adoption import Upload, adopt, keep, look, undo
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.order import Order
from ansible.module_utils.outcome import EXPECTED, Refusal, Steps, failure
from ansible.module_utils.variables import LayoutVars, OrderVars, argument

DOCUMENTATION = """
module: site_adopt
short_description: Take over a village that ran elsewhere, with its own files and data
description:
  - Loads the village's SQL file into a throw-away schema, looks at it and at the archive of its
    folder, and reports as `found` what there is and what speaks against it.
  - Unless it only looks, installs a site with them. What fails leaves nothing behind but the
    site's unix account, which C(accounts_remove) takes once PHP-FPM has forgotten it.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  order: {description: What site_install is told of a site, type: dict, required: true}
  files: {description: The archive of the folder desa/ on the server, type: path}
  database:
    description: The SQL file on the server; without it the archive holds it.
    type: path
    default: ""
  manifest_sha256:
    description:
      - The archive is an opened backup of ours, and this the hash of its manifest. It is compared
        with that, then taken as it is; only what is unsafe to lay down is left out and told.
    type: str
    default: ""
  copied:
    description:
      - The backup is of another village, and the site a training copy of that. It gets an identity
        and secrets of its own, and nothing in it reaches anybody.
    type: bool
    default: false
  mode:
    description:
      - C(look) changes nothing. C(undo) takes back what this very run installed, C(keep) forgets
        that it could be.
    type: str
    choices: [look, adopt, keep, undo]
    required: true
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "order": argument(OrderVars),
            "files": {"type": "path", "default": ""},
            "database": {"type": "path", "default": ""},
            "manifest_sha256": {"type": "str", "default": ""},
            "copied": {"type": "bool", "default": False},
            "mode": {"type": "str", "choices": ["look", "adopt", "keep", "undo"], "required": True},
        },
        supports_check_mode=False,
    )
    steps = Steps()
    try:
        told = _do(module.params, steps)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem), **steps.result())
    result = steps.result()
    module.exit_json(
        **{**result, **told, "changed": result["changed"] or told.get("undone", False)}
    )


def _do(params: dict[str, Any], steps: Steps) -> dict[str, Any]:
    order = Order(layout=params["layout"], **params["order"])
    upload = Upload(
        params["files"], params["database"], params["manifest_sha256"], is_copied=params["copied"]
    )
    if params["mode"] == "undo":
        return {"changed": undo(order)}
    if params["mode"] == "keep":
        return {"changed": keep(order)}
    work = look if params["mode"] == "look" else adopt
    return {"found": work(order, upload, steps).as_dict()}


if __name__ == "__main__":
    main()
