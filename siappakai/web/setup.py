"""The first run: from an empty registry to the first village's site, one step after the other."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from siappakai.models import Role
from siappakai.services import servers, setup, villages
from siappakai.services.setup import SetupStep
from siappakai.web.security import requires
from siappakai.web.stores import backup_steps

blueprint = Blueprint("setup", __name__, url_prefix="/setup")

_VILLAGES_OFFERED: Final = 200
_TITLES: Final = {
    SetupStep.REGENCY: _("Isi data kabupaten"),
    SetupStep.VILLAGES: _("Impor daftar desa"),
    SetupStep.SERVER: _("Daftarkan server"),
    SetupStep.PREPARE: _("Siapkan server"),
    SetupStep.RELEASE: _("Sematkan rilis"),
    SetupStep.INSTALL: _("Pasang situs pertama"),
}


@blueprint.get("/")
@requires(Role.ADMIN)
def show() -> ResponseReturnValue:
    backup = backup_steps()
    if setup.is_over() and all(stage.is_done for stage, *_rest in backup):
        return redirect(url_for("dashboard.show"))
    stages = setup.stages()
    return render_template(
        "setup/show.html",
        stages=stages,
        backup=backup,
        current=next((stage for stage in stages if not stage.is_done), None),
        servers=servers.list_servers(),
        villages=villages.list_villages(sort="name", per_page=_VILLAGES_OFFERED).items,
    )


def step_title(step: SetupStep) -> str:
    """Return what a step of setting up is called."""
    return str(_TITLES[step])


def guide() -> dict[str, Any] | None:
    """Return where setting up stands, for every page to point at; None when it is over."""
    stage = setup.next_stage()
    if stage is None:
        return None
    steps = list(SetupStep)
    return {"step": stage.step, "number": steps.index(stage.step) + 1, "total": len(steps)}
