"""What runs about restores are told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from siappakai.domain.backups import manifest_hash
from siappakai.domain.states import TERMINAL
from siappakai.models import Run, Site, Target, db, utc_now
from siappakai.services import settings
from siappakai.services.bringing import source_of
from siappakai.services.restorations import ON_SITE, WITH_BACKUP, backup_of


def play_vars(run: Run) -> dict[str, Any]:
    """Return what a playbook is told of restores, by site; nothing for other plays.

    A site whose backup could not be brought to its server has ended already and is left out.
    """
    if run.play not in ON_SITE:
        return {}
    days = int(settings.get(settings.RESTORE_KEEP_DAYS))
    until = utc_now() + timedelta(days=days)
    wish: dict[str, Any] = {"run": run.id, "until": until.isoformat(timespec="seconds")}
    if run.play not in WITH_BACKUP:
        expects = {"expects": run.options["expects"]}
        return {"wishes": {target.host: wish | expects for target in run.targets}}
    still_open = [target for target in run.targets if target.state not in TERMINAL]
    return {"wishes": {one.host: wish | _about_backup(run, one) for one in still_open}}


def _about_backup(run: Run, target: Target) -> dict[str, Any]:
    site = db.session.get_one(Site, target.site_id)
    backup = backup_of(run, site)
    return {
        "scope": run.options["scope"],
        "backup": backup.name,
        "manifest_sha256": manifest_hash(backup.manifest),
        "source": source_of(site.server, target.host),
    }
