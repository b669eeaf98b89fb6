"""Ansible module: bring one release to the server; see DOCUMENTATION."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.golden import golden_folder, why_unusable
from ansible.module_utils.outcome import EXPECTED, Refusal, failure
from ansible.module_utils.releases import bring, is_present
from ansible.module_utils.variables import LayoutVars, ReleaseVars, argument

DOCUMENTATION = """
module: release_unpack
short_description: Unpack the archive of a release into an immutable folder
description:
  - Without an archive it only says whether the release is there (`present`) and a good golden
    snapshot of it (`has_golden`), so that a large archive is copied to the server, and the
    snapshot looked after, only when it is needed.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  release: {description: The release, type: dict, required: true}
  archive:
    description: Path of the archive on the server; removed once it is unpacked.
    type: path
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "release": argument(ReleaseVars),
            "archive": {"type": "path"},
        },
        supports_check_mode=True,
    )
    layout, release, archive = (module.params[name] for name in ("layout", "release", "archive"))
    try:
        present = is_present(layout, release)
        wanted = archive is not None and not present
        if archive is not None and not module.check_mode:
            wanted = bring(layout, release, Path(archive))
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem))
    snapshot = golden_folder(layout, release["app"], release["version"])
    has_golden = not why_unusable(snapshot, release)
    module.exit_json(changed=wanted, present=present, has_golden=has_golden)


if __name__ == "__main__":
    main()
