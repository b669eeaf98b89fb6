"""Ansible module: make the gabungan and its users; see DOCUMENTATION."""

from __future__ import annotations

from contextlib import closing

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.driver import connect
from ansible.module_utils.gabungan import create, grant_users
from ansible.module_utils.golden import golden_folder
from ansible.module_utils.outcome import EXPECTED, Refusal, Steps, failure
from ansible.module_utils.references import ReferenceMap
from ansible.module_utils.variables import LayoutVars, ReleaseVars, argument

DOCUMENTATION = """
module: gabungan_create
short_description: Make the gabungan from a release's golden snapshot
description:
  - A gabungan that is whole stays as it is; only its users get their passwords anew.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  release: {description: The release whose schema it has, type: dict, required: true}
  schema: {description: Its database, type: str, required: true}
  references: {description: The reference map, type: dict, required: true}
  users: {description: Passwords by user, type: dict, required: true}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "release": argument(ReleaseVars),
            "schema": {"type": "str", "required": True},
            "references": {"type": "dict", "required": True},
            "users": {"type": "dict", "required": True, "no_log": True},
        },
    )
    params, steps = module.params, Steps()
    socket, release = params["layout"]["db_socket"], params["release"]
    references = ReferenceMap.read(params["references"])
    golden = golden_folder(params["layout"], release["app"], release["version"])
    try:
        unknown = create(socket, params["schema"], golden, references, steps)
        with closing(connect(socket, "root")) as link:
            grant_users(link, params["schema"], params["users"], references)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem), **steps.result())
    module.exit_json(gabungan_told={"unknown": unknown}, **steps.result())


if __name__ == "__main__":
    main()
