"""Ansible module: check the sites of a server; see DOCUMENTATION."""

from __future__ import annotations

from ansible.module_utils.adoption import confirm
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.closing import reopen
from ansible.module_utils.daemons import DaemonError
from ansible.module_utils.health import examine
from ansible.module_utils.orphans import settle
from ansible.module_utils.outcome import EXPECTED, Refusal, failure
from ansible.module_utils.services import Reload
from ansible.module_utils.switching import settle_all
from ansible.module_utils.variables import LayoutVars, SiteVars, argument

DOCUMENTATION = """
module: site_health
short_description: Check sites through nginx, in their database, log and files
description:
  - Reports per site whether it is installed and healthy, and each check. Fails when one of them
    is not healthy, unless it only probes.
options:
  layout: {description: Where things lie on the server, type: dict, required: true}
  sites: {description: The sites to check, type: list, elements: dict, required: true}
  probe: {description: Only report; an unhealthy site is no failure, type: bool, default: false}
  play_id:
    description:
      - The play that asks, as run and token. With C(probe), whatever older plays of the run
        left at work on the server is waited for, then ended, and fenced off from the sites. A
        site that a removal had closed, and no more, is opened again; one whose state was being
        switched serves again what it served before. Throw-away schemas and files that killed
        plays left on the server are deleted.
    type: str
    default: ""
  patience_seconds:
    description: How long what older plays left may go on.
    type: float
    default: 10
  reload:
    description:
      - Reload PHP-FPM and nginx first, as C(services_reload) does, and wait for these sockets.
        A reload that fails is a failure of the server; nothing is checked then. In one call,
        as starting another module takes longer than either.
    type: list
    elements: str
"""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(  # type: ignore[no-untyped-call] # Ansible has no annotations
        argument_spec={
            "layout": argument(LayoutVars),
            "sites": argument(list[SiteVars]),
            "probe": {"type": "bool", "default": False},
            "play_id": {"type": "str", "default": ""},
            "patience_seconds": {"type": "float", "default": 10.0},
            "reload": {"type": "list", "elements": "str"},
        },
        supports_check_mode=True,
    )
    layout, sites, play_id = (module.params[key] for key in ("layout", "sites", "play_id"))
    reloaded = _reload(module) if module.params["reload"] is not None else False
    ended: list[str] = []
    reopened: list[str] = []
    try:
        if module.params["probe"] and play_id and not module.check_mode:
            patience = module.params["patience_seconds"]
            ended = settle(layout["lock_dir"], play_id, sites, patience)
            reopened = [site["slug"] for site in sites if reopen(site["folder"])]
            settle_all(layout, sites)
        reports = examine(layout, sites)
        if module.params["probe"] and play_id and not module.check_mode:
            for site in sites:
                if reports[site["slug"]].healthy:
                    confirm(layout, site)
    except (Refusal, *EXPECTED) as problem:
        module.fail_json(**failure(problem))
    found = {slug: report.as_dict() for slug, report in reports.items()}
    ill = sorted(slug for slug, report in reports.items() if not report.healthy)
    if ill and not module.params["probe"]:
        module.fail_json(
            msg=f"Not healthy: {', '.join(ill)}. Look at the checks that failed, mend them,"
            " then run this again.",
            error={"code": "unhealthy", "params": {"sites": ill}},
            sites=found,
        )
    changed = bool(reloaded or ended or reopened)
    module.exit_json(changed=changed, ended=ended, reopened=reopened, sites=found)


def _reload(module: AnsibleModule) -> bool:
    """Reload the services, or end the module telling why they were not; in check mode only test."""
    services = Reload(module.params["layout"])
    try:
        if module.check_mode:
            services.rehearse()
        else:
            services.perform(module.params["reload"])
    except DaemonError as error:
        module.fail_json(steps=services.steps, **error.told())
    return True


if __name__ == "__main__":
    main()
