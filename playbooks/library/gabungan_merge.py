"""Ansible module: merge villages of this server into the gabungan on it; see DOCUMENTATION."""

from __future__ import annotations

import hashlib
import json
import traceback
from contextlib import closing
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.book import Book
from ansible.module_utils.changes import read_counters
from ansible.module_utils.cycling import Round, sweep, take_turn
from ansible.module_utils.driver import connect
from ansible.module_utils.gabungan import contract, schema_version
from ansible.module_utils.labels import read_labels
from ansible.module_utils.merging import writer
from ansible.module_utils.outcome import EXPECTED, Refusal, Steps, failure
from ansible.module_utils.references import ReferenceMap
from ansible.module_utils.variables import LayoutVars, MergeVars, argument

DOCUMENTATION = """
module: gabungan_merge
short_description: Merge villages into the gabungan
description:
  - Looks at all villages in one question, reads those that changed from one state of their
    database, and replaces their rows in the gabungan in one transaction each, which is taken
    back unless the result is proven right. A village that fails does not stop the others.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  schema: {description: The gabungan's database, type: str, required: true}
  villages: {description: The villages, type: list, elements: dict, required: true}
  references: {description: The reference map, type: dict, required: true}
  key: {description: Key of the pseudonyms in hexadecimal, type: str, required: true}
  day: {description: The day ages are counted on, type: str, required: true}
  whole: {description: Send everything whatever changed, type: bool, default: false}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "schema": {"type": "str", "required": True},
            "villages": argument(list[MergeVars]),
            "references": {"type": "dict", "required": True},
            "key": {"type": "str", "required": True, "no_log": True},
            "day": {"type": "str", "required": True},
            "whole": {"type": "bool", "default": False},
        },
    )
    try:
        reported = _merge_all(module.params)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem))
    told = {slug: one.pop("report") for slug, one in reported.items()}
    merged = any(one["state"] == "merged" for one in told.values())
    module.exit_json(changed=merged, reported=reported, gabungan_told=told)


def _merge_all(params: dict[str, Any]) -> dict[str, Any]:
    socket, schema = params["layout"]["db_socket"], params["schema"]
    references = ReferenceMap.read(params["references"])
    with closing(connect(socket, "root")) as link:
        cycle = Round(
            layout=params["layout"],
            schema=schema,
            day=params["day"],
            key=params["key"],
            is_whole=params["whole"],
            wanted=contract(link, schema, references),
            references=references,
            facts=hashlib.sha256(json.dumps(params["references"]).encode()).hexdigest(),
            counters=read_counters(link, Book(link, schema)),
            version=schema_version(link, schema),
            labels=read_labels(link, schema, references.regency_wide),
        )
    cycle.folder.mkdir(mode=0o700, exist_ok=True)
    with writer(socket) as link:
        sweep(link, cycle)
        return {one["slug"]: _merge(link, cycle, one) for one in params["villages"]}


def _merge(link: Any, cycle: Round, village: MergeVars) -> dict[str, Any]:
    """Return what became of one village, as a module for it alone would."""
    steps = Steps()
    try:
        report = take_turn(link, cycle, village, steps)
    except (Refusal, *EXPECTED) as problem:
        return {**_failed(problem), **steps.result()}
    except Exception as problem:  # noqa: BLE001 - not even our own mistake may stop the other villages
        told = {"exception": traceback.format_exc(), **_failed(problem)}
        return {**told, **steps.result()}
    return {"failed": False, "report": report, **steps.result()}


def _failed(problem: Exception) -> dict[str, Any]:
    """Return what is told of a village that failed; how large a place it needs, if that is why."""
    told = failure(problem)
    slots = told["error"]["params"].get("slots", 0)
    report = {
        "state": "failed",
        "message": told["msg"],
        "error": told["error"],
        "slots": slots,
    }
    return {"failed": True, "report": report, **told}


if __name__ == "__main__":
    main()
