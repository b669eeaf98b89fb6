"""What an admin opens each morning."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from siappakai.models import Role
from siappakai.services import activity, overview, schedules, settings
from siappakai.web.security import requires

blueprint = Blueprint("dashboard", __name__)


@blueprint.get("/")
@requires(Role.VIEWER)
def show() -> ResponseReturnValue:
    return render_template(
        "dashboard/show.html",
        overview=overview.summarise(),
        failures=overview.standing_failures(),
        runs=overview.latest_runs(),
        days=activity.daily_runs(),
        stale=activity.stale_sites(),
        planned=schedules.next_planned(),
        occurrences=schedules.occurrences_of(per_page=5).items,
        totp_required=settings.get(settings.REQUIRE_TOTP_FOR_ADMINS),
    )
