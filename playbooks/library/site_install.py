"""Ansible module: install sites; see DOCUMENTATION."""

from __future__ import annotations

import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.installation import install
from ansible.module_utils.order import Order
from ansible.module_utils.outcome import EXPECTED, Refusal, Steps, failure
from ansible.module_utils.variables import LayoutVars, OrderVars, argument

DOCUMENTATION = """
module: site_install
short_description: Install sites of releases that lie on the server
description:
  - Makes what is missing of each site (account, folder, view of the release, database, PHP-FPM
    pool, nginx vhost) and nothing else; a second run changes nothing, a killed one is
    finished by the next. A site that fails is reported and does not stop the others.
  - Pools and vhosts take effect with the next reload of the services.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  orders:
    description: Per site its variables, secrets, rendered files and release.
    type: list
    elements: dict
    required: true
  parallelism: {description: Sites worked on at once, type: int, default: 2}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "orders": argument(list[OrderVars]),
            "parallelism": {"type": "int", "default": 2},
        },
        supports_check_mode=True,
    )
    known = {"layout": module.params["layout"], "dry": module.check_mode}
    orders = [Order(**known, **order) for order in module.params["orders"]]
    # Threads, as a site waits for MariaDB most of the time; what they share is read only.
    with ThreadPoolExecutor(module.params["parallelism"]) as pool:
        reports = list(pool.map(_install, orders))
    module.exit_json(
        changed=any(report["changed"] for report in reports),
        installed={
            order.site["slug"]: report for order, report in zip(orders, reports, strict=True)
        },
    )


def _install(order: Order) -> dict[str, Any]:
    """Return what became of one site, as a module for it alone would."""
    steps = Steps()
    try:
        install(order, steps)
    except (Refusal, *EXPECTED) as problem:
        return {"failed": True, **failure(problem), **steps.result()}
    except Exception as problem:  # noqa: BLE001 - not even our own mistake may stop the other villages
        told = {"exception": traceback.format_exc(), **failure(problem)}
        return {"failed": True, **told, **steps.result()}
    return {"failed": False, **steps.result()}


if __name__ == "__main__":
    main()
