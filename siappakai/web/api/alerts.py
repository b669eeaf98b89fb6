"""Alerts: what is wrong now, and what was."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from siappakai.domain.alerts import AlertKind, AlertState, Severity
from siappakai.domain.tokens import Scope
from siappakai.models import Alert as AlertRow
from siappakai.services import alerts
from siappakai.web.api.operations import operation
from siappakai.web.api.values import Listed, Paged
from siappakai.web.presentation import story


class Alert(BaseModel):
    """Something wrong with one subject, from when it was raised until its cause is gone."""

    id: int
    kind: AlertKind
    severity: Severity
    state: AlertState
    subject: Annotated[str, Field(description="stable key of whose it is")]
    title: Annotated[str, Field(description="what happened, in a sentence")]
    meaning: str
    todo: str
    count: Annotated[int, Field(description="how often it was seen to happen")]
    raised_at: datetime
    last_seen_at: datetime
    acknowledged_at: datetime | None
    ended_at: datetime | None


class AlertQuery(Paged):
    """Which alerts."""

    state: AlertState | None = None
    severity: Severity | None = None


@operation("GET", "/alerts", Scope.ALERTS_READ)
def list_alerts(query: AlertQuery) -> Listed[Alert]:
    """List alerts, newest first; those of a state that still stands worst first."""
    found = alerts.list_alerts(
        state=query.state, severity=query.severity, page=query.page, per_page=query.per_page
    )
    return Listed[Alert].of(found, _record)


def _record(found: AlertRow) -> Alert:
    told = story(found)
    return Alert(
        id=found.id,
        kind=found.kind,
        severity=found.severity,
        state=found.state,
        subject=found.subject,
        title=told.title,
        meaning=told.meaning,
        todo=told.todo,
        count=found.count,
        raised_at=found.raised_at,
        last_seen_at=found.last_seen_at,
        acknowledged_at=found.acknowledged_at,
        ended_at=found.ended_at,
    )
