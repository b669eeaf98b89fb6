"""Ansible module: check the sites of a server; see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.health import examine
from ansible.module_utils.outcome import EXPECTED, Refusal, failure
from ansible.module_utils.variables import LayoutVars, SiteVars, argument

DOCUMENTATION = """
module: site_health
short_description: Check sites through nginx, in their database, log and files
description:
  - Reports per site whether it is installed and healthy, and each check. Fails when one of them
    is not healthy, unless it only probes. Changes nothing.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  sites: {description: The sites to check, type: list, elements: dict, required: true}
  probe: {description: Only report; an unhealthy site is no failure, type: bool, default: false}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call]
        argument_spec={
            "layout": argument(LayoutVars),
            "sites": argument(list[SiteVars]),
            "probe": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        reports = examine(module.params["layout"], module.params["sites"])
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem))
    sites = {slug: report.as_dict() for slug, report in reports.items()}
    ill = sorted(slug for slug, report in reports.items() if not report.healthy)
    if ill and not module.params["probe"]:
        module.fail_json(
            msg=f"Not healthy: {', '.join(ill)}. Look at the checks that failed, mend them,"
            " then run this again.",
            error={"code": "unhealthy", "params": {"sites": ill}},
            sites=sites,
        )
    module.exit_json(changed=False, sites=sites)


if __name__ == "__main__":
    main()
