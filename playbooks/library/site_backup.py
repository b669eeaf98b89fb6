"""Ansible module: take backups of sites; see DOCUMENTATION."""

from __future__ import annotations

import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.backup_take import Order, take
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.outcome import EXPECTED, Refusal, Steps, failure
from ansible.module_utils.variables import LayoutVars, SiteVars, argument

DOCUMENTATION = """
module: site_backup
short_description: Take a sealed backup of each site into the server's spool
description:
  - Dumps the database as one transaction, packs it with the village's files and a manifest,
    compresses and encrypts that, and returns size, checksum and manifest. Sites go on serving.
    A site that fails is reported and does not stop the others.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  sites: {description: The sites, type: list, elements: dict, required: true}
  names: {description: The name of each site's backup by its slug, type: dict, required: true}
  recipients:
    description: Public age keys; whoever has one of the private ones can open the backups.
    type: list
    elements: str
    required: true
  parallelism: {description: Sites worked on at once, type: int, default: 2}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "sites": argument(list[SiteVars]),
            "names": {"type": "dict", "required": True},
            "recipients": {"type": "list", "elements": "str", "required": True},
            "parallelism": {"type": "int", "default": 2},
        },
        supports_check_mode=True,
    )
    given = module.params
    known = {"layout": given["layout"], "recipients": given["recipients"]}
    orders = [
        Order(**known, site=site, name=given["names"][site["slug"]], dry=module.check_mode)
        for site in given["sites"]
    ]
    # Threads, as a backup is the work of other programs most of the time.
    with ThreadPoolExecutor(given["parallelism"]) as pool:
        reports = list(pool.map(_take, orders))
    module.exit_json(
        changed=any(report["changed"] for report in reports),
        reported={
            order.site["slug"]: report for order, report in zip(orders, reports, strict=True)
        },
        told={
            order.name: {"slug": order.site["slug"], **report.pop("facts")}
            for order, report in zip(orders, reports, strict=True)
            if report.get("facts")
        },
    )


def _take(order: Order) -> dict[str, Any]:
    """Return what became of one site, as a module for it alone would."""
    steps = Steps()
    try:
        facts = take(order, steps)
    except (Refusal, *EXPECTED) as problem:
        return {"failed": True, **failure(problem), **steps.result()}
    except Exception as problem:  # noqa: BLE001 - not even our own mistake may stop the other villages
        told = {"exception": traceback.format_exc(), **failure(problem)}
        return {"failed": True, **told, **steps.result()}
    return {"failed": False, "facts": facts, **steps.result()}


if __name__ == "__main__":
    main()
