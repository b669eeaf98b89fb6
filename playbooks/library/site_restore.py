"""Ansible module: restore backups over sites that run; see DOCUMENTATION."""

from __future__ import annotations

import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.comeback import Wish
from ansible.module_utils.order import Order
from ansible.module_utils.outcome import EXPECTED, Refusal, Steps, failure
from ansible.module_utils.restoring import forget, look, restore, undo
from ansible.module_utils.variables import LayoutVars, OrderVars, argument

DOCUMENTATION = """
module: site_restore
short_description: Restore backups over sites that run, or take that back
description:
  - Lays each backup down beside what runs, compares it with its manifest and reports as `found`
    which rows and files would change. Unless it only looks, both change places while the site is
    closed for a moment; one that does not get well serves its former state again. A site that
    fails is reported and does not stop the others.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  orders:
    description: What site_install is told of each site.
    type: list
    elements: dict
    required: true
  wishes:
    description:
      - By the site's slug a C(scope) (site, database, files, or folder and a path below desa/), the
        number of the panel's C(run), and C(until) when the former state may go. Of a backup also
        its name (C(backup)), the hash of its manifest (C(manifest_sha256)) and the C(source), the
        opened backup on the server, which is gone afterwards; to undo or forget, the run that
        switched last (C(expects)).
    type: dict
    required: true
  mode:
    description:
      - C(look) changes nothing. C(undo) lets the state that is kept serve again and keeps the
        other, C(forget) drops what is kept.
    type: str
    choices: [look, restore, undo, forget]
    required: true
  parallelism: {description: Sites worked on at once, type: int, default: 2}
"""
_MODES = ["look", "restore", "undo", "forget"]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "orders": argument(list[OrderVars]),
            "wishes": {"type": "dict", "required": True},
            "mode": {"type": "str", "choices": _MODES, "required": True},
            "parallelism": {"type": "int", "default": 2},
        },
        supports_check_mode=False,
    )
    given = module.params
    orders = [Order(layout=given["layout"], **order) for order in given["orders"]]

    def report(order: Order) -> dict[str, Any]:
        return _report(order, dict(given["wishes"][order.site["slug"]]), given["mode"])

    # Threads, as a restore is the work of MariaDB and other programs most of the time.
    with ThreadPoolExecutor(given["parallelism"]) as pool:
        reports = list(pool.map(report, orders))
    module.exit_json(
        changed=any(one["changed"] for one in reports),
        reported={order.site["slug"]: one for order, one in zip(orders, reports, strict=True)},
    )


def _report(order: Order, wish: dict[str, Any], mode: str) -> dict[str, Any]:
    """Return what became of one site, as a module for it alone would."""
    steps = Steps()
    try:
        told = _do(order, wish, mode, steps)
    except (Refusal, *EXPECTED) as problem:
        return {"failed": True, **failure(problem), **steps.result()}
    except Exception as problem:  # noqa: BLE001 - not even our own mistake may stop the other villages
        told = {"exception": traceback.format_exc(), **failure(problem)}
        return {"failed": True, **told, **steps.result()}
    finally:
        if "source" in wish:
            Path(wish["source"]).unlink(missing_ok=True)
    return {"failed": False, **steps.result(), **told}


def _do(order: Order, wish: dict[str, Any], mode: str, steps: Steps) -> dict[str, Any]:
    if mode == "forget":
        return {"changed": forget(order, wish["expects"])}
    if mode == "undo":
        done = undo(order, wish["run"], wish["until"], wish["expects"], steps)
        return {"changed": done}
    work = look if mode == "look" else restore
    return {"found": asdict(work(order, Wish(**wish), steps))}


if __name__ == "__main__":
    main()
