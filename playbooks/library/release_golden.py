"""Ansible module: keep a golden snapshot of a release; see DOCUMENTATION."""

from __future__ import annotations

import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.golden_making import make_golden
from ansible.module_utils.order import Order
from ansible.module_utils.outcome import EXPECTED, Refusal, failure
from ansible.module_utils.variables import (
    FileVars,
    LayoutVars,
    ReleaseVars,
    SecretVars,
    SiteVars,
    argument,
)

DOCUMENTATION = """
module: release_golden
short_description: Keep a freshly seeded database and data folder of a release for cloning
description:
  - The application seeds a throw-away village (`site`), which is dumped and removed. A good
    snapshot that is there already is left alone.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  release: {description: The release, type: dict, required: true}
  site: {description: The throw-away village, type: dict, required: true}
  secrets: {description: Its secrets, type: dict, required: true}
  files: {description: Its rendered configuration files, type: dict, required: true}
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "release": argument(ReleaseVars),
            "site": argument(SiteVars),
            "secrets": argument(SecretVars),
            "files": argument(FileVars),
        },
        supports_check_mode=True,
    )
    began = time.monotonic()
    try:
        reason = make_golden(Order(**module.params, dry=module.check_mode))
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem))
    module.exit_json(
        changed=bool(reason), reason=reason, seconds=round(time.monotonic() - began, 3)
    )


if __name__ == "__main__":
    main()
