"""Ansible module: install one site; see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.installation import install
from ansible.module_utils.order import Order
from ansible.module_utils.outcome import EXPECTED, Refusal, Steps, failure
from ansible.module_utils.variables import (
    FileVars,
    LayoutVars,
    ReleaseVars,
    SecretVars,
    SiteVars,
    argument,
)

DOCUMENTATION = """
module: site_install
short_description: Install one site of a release that lies on the server
description:
  - Makes what is missing of a site (account, folder, view of the release, database, PHP-FPM
    pool, nginx vhost) and nothing else; a second run changes nothing, a killed one is
    finished by the next.
  - Pool and vhost take effect with the next reload of the services.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  release: {description: The release of the site, type: dict, required: true}
  site: {description: The site, type: dict, required: true}
  secrets: {description: What must not be seen, type: dict, required: true}
  files: {description: Rendered configuration files, type: dict, required: true}
  release_problem:
    description: Why the release could not be brought to the server, if it could not.
    type: str
    default: ""
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call]
        argument_spec={
            "layout": argument(LayoutVars),
            "release": argument(ReleaseVars),
            "site": argument(SiteVars),
            "secrets": argument(SecretVars),
            "files": argument(FileVars),
            "release_problem": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    steps = Steps()
    try:
        install(Order(**module.params, dry=module.check_mode), steps)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem), **steps.result())
    module.exit_json(**steps.result())


if __name__ == "__main__":
    main()
