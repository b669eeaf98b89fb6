"""Ansible module: remove the accounts of sites that are gone; see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.outcome import EXPECTED, Refusal, failure
from ansible.module_utils.removal import remove_accounts
from ansible.module_utils.variables import LayoutVars, SiteVars, argument

DOCUMENTATION = """
module: accounts_remove
short_description: Remove the unix accounts of sites that are gone
description:
  - The last act of a removal, after PHP-FPM was reloaded; until then its workers run as these
    accounts. A site whose folder is still there keeps its account.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  sites: {description: The sites that were removed, type: list, elements: dict, required: true}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={"layout": argument(LayoutVars), "sites": argument(list[SiteVars])},
        supports_check_mode=True,
    )
    layout, sites = module.params["layout"], module.params["sites"]
    try:
        removed = remove_accounts(layout, sites, dry=module.check_mode)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem))
    module.exit_json(changed=bool(removed), removed=removed)


if __name__ == "__main__":
    main()
