"""Alerts: what is wrong, who looks after it, what people were told."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from siappakai.domain.alerts import AlertState, Severity
from siappakai.models import Role
from siappakai.services import alerts, channels
from siappakai.web.identity import actor
from siappakai.web.security import requires

blueprint = Blueprint("alerts", __name__, url_prefix="/alerts")


@blueprint.get("/")
@requires(Role.VIEWER)
def show_list() -> ResponseReturnValue:
    state, severity = _wanted_state(), _wanted_severity()
    page = request.args.get("page", 1, type=int)
    found = alerts.list_alerts(state=state, severity=severity, page=page)
    return render_template(
        "alerts/list.html", alerts=found, state=state, severity=severity, severities=list(Severity)
    )


@blueprint.get("/<int(max=2147483647):alert_id>")
@requires(Role.VIEWER)
def show(alert_id: int) -> ResponseReturnValue:
    alert = alerts.get_alert(alert_id)
    page = request.args.get("page", 1, type=int)
    told = channels.deliveries_of(alert=alert, page=page)
    return render_template("alerts/show.html", alert=alert, deliveries=told)


@blueprint.post("/<int(max=2147483647):alert_id>/acknowledge")
@requires(Role.OPERATOR)
def acknowledge(alert_id: int) -> ResponseReturnValue:
    alerts.acknowledge(alert_id, by=actor())
    flash(_("Peringatan ditandai sudah diketahui."))
    return redirect(url_for("alerts.show", alert_id=alert_id), 303)


@blueprint.post("/acknowledge")
@requires(Role.OPERATOR)
def acknowledge_all() -> ResponseReturnValue:
    severity = _wanted_severity()
    count = len(alerts.acknowledge_all(severity=severity, by=actor()))
    flash(
        ngettext(
            "%(num)s peringatan ditandai sudah diketahui.",
            "%(num)s peringatan ditandai sudah diketahui.",
            count,
        )
    )
    return redirect(url_for("alerts.show_list", severity=severity), 303)


def _wanted_state() -> AlertState:
    """Return the state asked for; what nobody has seen comes first."""
    given = request.args.get("state", "")
    return AlertState(given) if given in set(AlertState) else AlertState.OPEN


def _wanted_severity() -> Severity | None:
    given = request.args.get("severity", "")
    return Severity(given) if given in set(Severity) else None
