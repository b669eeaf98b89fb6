"""Ansible module: take one village out of a gabungan as an archive; see DOCUMENTATION."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.extracting import Wish, sweep
from ansible.module_utils.golden import golden_folder
from ansible.module_utils.merging import writer
from ansible.module_utils.outcome import EXPECTED, Refusal, Steps, failure
from ansible.module_utils.references import ReferenceMap
from ansible.module_utils.taking_out import take_out
from ansible.module_utils.variables import ExtractSecrets, LayoutVars, ReleaseVars, argument

DOCUMENTATION = """
module: gabungan_extract
short_description: Take one village out of a gabungan as an archive
description:
  - Rebuilds a stand-alone database of the village from the release's golden snapshot and the
    village's rows, proves it like a merge, and packs it with a new app_key and password. The
    archive can be read by one account alone, which fetches it.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  release: {description: The release whose schema it shall have, type: dict, required: true}
  database: {description: The gabungan's database, type: str, required: true}
  code: {description: The village's code, type: str, required: true}
  is_foreign: {description: Villages write it live, type: bool, required: true}
  is_incomplete: {description: Take out what there is, type: bool, required: true}
  unknown: {description: Tables that no merge brought, type: list, elements: str, required: true}
  day: {description: The day ages are counted on, type: str, required: true}
  references: {description: The reference map, type: dict, required: true}
  secrets: {description: What it gets anew, type: dict, required: true}
  target: {description: The archive to write, type: path, required: true}
  owner: {description: User id of who fetches it, type: int, required: true}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "release": argument(ReleaseVars),
            "database": {"type": "str", "required": True},
            "code": {"type": "str", "required": True},
            "is_foreign": {"type": "bool", "required": True},
            "is_incomplete": {"type": "bool", "required": True},
            "unknown": {"type": "list", "elements": "str", "required": True},
            "day": {"type": "str", "required": True},
            "references": {"type": "dict", "required": True},
            "secrets": {**argument(ExtractSecrets), "no_log": True},
            "target": {"type": "path", "required": True},
            "owner": {"type": "int", "required": True},
        },
    )
    params, steps = module.params, Steps()
    try:
        told = _take_out(params, steps)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem), **steps.result())
    module.exit_json(gabungan_told=told, **steps.result())


def _take_out(params: dict[str, Any], steps: Steps) -> dict[str, Any]:
    layout, release = params["layout"], params["release"]
    prefix = f"{layout['prefix']}_keluar_"
    folder = Path(layout["root"], "gabungan")
    folder.mkdir(mode=0o700, exist_ok=True)
    with writer(layout["db_socket"]) as link:
        sweep(link, prefix)
    wish = Wish(
        database=params["database"],
        code=params["code"],
        scratch=f"{prefix}{params['code']}",
        golden=golden_folder(layout, release["app"], release["version"]),
        folder=folder,
        day=params["day"],
        references=ReferenceMap.read(params["references"]),
        unknown=params["unknown"],
        is_foreign=params["is_foreign"],
        is_incomplete=params["is_incomplete"],
    )
    told: dict[str, Any] = take_out(
        layout["db_socket"],
        wish,
        params["secrets"],
        release=release["version"],
        target=Path(params["target"]),
        owner=params["owner"],
        steps=steps,
    )
    return told


if __name__ == "__main__":
    main()
