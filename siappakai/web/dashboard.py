"""What an admin opens each morning."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from siappakai.domain.alerts import AlertState
from siappakai.models import Role
from siappakai.services import activity, alerts, overview, recovery_checks, schedules, settings
from siappakai.web.security import may, requires

_ALERTS_SHOWN: Final = 5

blueprint = Blueprint("dashboard", __name__)


@blueprint.get("/")
@requires(Role.VIEWER)
def show() -> ResponseReturnValue:
    return render_template(
        "dashboard/show.html",
        overview=overview.summarise(),
        failures=overview.standing_failures(),
        alerts=alerts.list_alerts(state=AlertState.OPEN, per_page=_ALERTS_SHOWN).items,
        runs=overview.latest_runs(),
        days=activity.daily_runs(),
        stale=activity.stale_sites(),
        planned=schedules.next_planned(),
        occurrences=schedules.occurrences_of(per_page=5).items,
        kit=recovery_checks.kit_to_confirm() if may(Role.ADMIN) else None,
        totp_required=settings.get(settings.REQUIRE_TOTP_FOR_ADMINS),
    )
