"""Ansible module: remove one site; see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.outcome import EXPECTED, Refusal, Steps, failure
from ansible.module_utils.removal import Order, remove
from ansible.module_utils.variables import LayoutVars, SiteVars, argument

DOCUMENTATION = """
module: site_remove
short_description: Archive one site, then leave nothing of it on the server
description:
  - Writes a last dump and the site's files into the archive folder and reads both back before
    anything is destroyed. Returns the folder as `archive`.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  site: {description: The site, type: dict, required: true}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={"layout": argument(LayoutVars), "site": argument(SiteVars)},
        supports_check_mode=True,
    )
    steps = Steps()
    try:
        kept = remove(Order(**module.params, dry=module.check_mode), steps)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem), **steps.result())
    module.exit_json(archive=kept, **steps.result())


if __name__ == "__main__":
    main()
