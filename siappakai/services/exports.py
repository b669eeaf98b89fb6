"""Handing out everything that is a village's, as one archive on this machine."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import IO, Any, Final

from siappakai.domain.states import UNBUILT, RunState
from siappakai.errors import RefusedError
from siappakai.models import Run, Site
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit, runs
from siappakai.wording import say

EXPORT: Final = "export"
EXTRACT: Final = "extract"
KEPT_DAYS: Final = 1


def request(site: Site, *, by: str) -> Run:
    """Ask for a village's archive; raises RefusedError when its site is not installed."""
    if site.state in UNBUILT:
        raise RefusedError(
            say("%(village)s tidak punya situs terpasang.", village=site.village.name),
            say("Pilih desa yang situsnya terpasang."),
        )
    forget_old()
    with transaction():
        return runs.create_site_run(EXPORT, [site], by=by)


def play_vars(run: Run) -> dict[str, Any]:
    """Return what a playbook is told of where the archive goes; nothing for other plays."""
    if run.play not in {EXPORT, EXTRACT}:
        return {}
    path = _path(run.id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {"outgoing": str(path)}


def is_waiting(run: Run) -> bool:
    """Tell whether the archive a run brought lies on this machine, and nobody has come for it."""
    return run.state is RunState.SUCCEEDED and _path(run.id).is_file()


def deliver(run: Run, subject: str, target: IO[bytes], *, by: str) -> int:
    """Write the archive a run brought into a file, and keep no copy; return its size.

    `subject` is the code of the village whose it is. Raises RefusedError when it is not on this
    machine.
    """
    path = _path(run.id)
    if not is_waiting(run):
        raise RefusedError(
            say("Arsip desa dari pekerjaan %(run)s tidak ada di mesin ini.", run=run.id),
            say("Minta lagi; pekerjanya harus berjalan di mesin ini."),
        )
    with path.open("rb") as source:
        shutil.copyfileobj(source, target)
        size = source.tell()
    path.unlink()
    with transaction():
        detail = {"run": run.id, "size": size}
        action = "village.export" if run.play == EXPORT else "gabungan.hand_out"
        audit.record(action, subject, by=by, detail=detail)
    return size


def forget_old() -> None:
    """Delete archives that nobody came for."""
    before = time.time() - KEPT_DAYS * 86400
    for path in _path(0).parent.glob("*"):
        if path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


def _path(run_id: int) -> Path:
    return current_settings().state / "outgoing" / f"{run_id}.zip"
