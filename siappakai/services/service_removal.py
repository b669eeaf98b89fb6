"""The service stopped and taken away; root's business."""

from __future__ import annotations

import shutil
from pathlib import Path

from siappakai.config import Settings
from siappakai.gateways.systemd import TARGET, Systemd
from siappakai.services import service
from siappakai.services.exclusion import alone, refuse_beside_make_run
from siappakai.services.local_plays import play_here


def uninstall(settings: Settings, systemd: Systemd, *, is_purge: bool) -> list[str]:
    """Stop the service and take it away; return what changed.

    Registry, keys and copies stay, unless `is_purge`; a registry on a database server stays in
    any case. Raises ConflictError while the service is changed, or `make run` is at work on what
    shall be purged.
    """
    if is_purge:
        refuse_beside_make_run(settings)
    with alone(service.PLACES.root):
        return _uninstall(settings, systemd, is_purge=is_purge)


def _uninstall(settings: Settings, systemd: Systemd, *, is_purge: bool) -> list[str]:
    if systemd.is_running and (service.PLACES.units / TARGET).exists():
        systemd.stop()
    changed = play_here(
        "service_remove.yml",
        {
            "service_etc": str(service.PLACES.etc),
            "service_command": str(service.PLACES.command),
            "service_sudo_rule": str(service.PLACES.etc / "sudoers.d" / "siappakai"),
        },
    )
    if systemd.is_running:
        systemd.reload()
        systemd.reload_nginx()
    service.PLACES.current.unlink(missing_ok=True)
    # What an upgrade that was cut short would go back to is no matter any more.
    service.PLACES.begun.unlink(missing_ok=True)
    for folder in (one for one in data(settings, is_purge=is_purge) if one.exists()):
        shutil.rmtree(folder)
        changed.append(str(folder))
    return changed


def data(settings: Settings, *, is_purge: bool) -> list[Path]:
    """Return the folders that go with the service; with `is_purge` registry, keys and copies."""
    return [
        service.PLACES.programs,
        *((settings.state, service.PLACES.backups) if is_purge else ()),
    ]
