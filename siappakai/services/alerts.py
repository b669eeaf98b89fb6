"""Alerts: raised while something is wrong, counted, ended when its cause is gone."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select, case, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from siappakai.ansible.plays import CATALOGUE
from siappakai.domain.alert_texts import STORIES, Speech, Story, fill
from siappakai.domain.alerts import (
    AlertEvent,
    AlertKind,
    AlertState,
    Finding,
    Severity,
)
from siappakai.errors import ConflictError, NotFoundError
from siappakai.models import Alert, db, registry_now
from siappakai.models.transactions import transaction
from siappakai.services import announcing, audit, rounds, settings
from siappakai.services.findings import LATE_SECONDS, look_around
from siappakai.services.paging import Page, paginate
from siappakai.wording import say

log = logging.getLogger(__name__)

_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "Mei",
    "Jun",
    "Jul",
    "Agu",
    "Sep",
    "Okt",
    "Nov",
    "Des",
)
_RANK: Final = case({one: one.rank for one in Severity}, value=Alert.severity)
_LATE: Final = timedelta(seconds=LATE_SECONDS)


def review(*, since: datetime, now: datetime | None = None) -> None:
    """Compare what is wrong now with the alerts there are; what changed is announced.

    `since` is when the caller began to look: what stood still before that was not missed.
    """
    now = now or registry_now(db.session())
    reconcile(look_around(now, since), now)


def reconcile(findings: Collection[Finding], now: datetime) -> None:
    """Raise an alert for each new finding, count those seen again, end those that are gone.

    Two at once do no harm: of two that raise the same alert, one is refused and tries again
    with its next round.
    """
    try:
        with transaction() as session:
            standing = {alert.open_key: alert for alert in session.scalars(_standing())}
            for finding in findings:
                alert = standing.pop(finding.key, None)
                if alert is None:
                    _raise(session, finding, now)
                else:
                    _see_again(session, alert, finding, now)
            for alert in standing.values():
                _end(session, alert, now)
    except IntegrityError:
        log.info("another lookout raised the same alert")


def watch_the_lookout(now: datetime | None = None) -> None:
    """Raise an alert when the lookout is silent; the clock calls this, the lookout ends it.

    After a time when everything was off, the lookout has until the clock's second round.
    """
    now = now or registry_now(db.session())
    last, tick = rounds.last_lookout_at(), rounds.last_tick_at()
    if last is None or now - last <= _LATE or tick is None or now - tick > _LATE:
        return
    told = last.isoformat()
    finding = Finding(
        AlertKind.LOOKOUT_STOPPED, "lookout", "lookout", Severity.CRITICAL, told, {"last": told}
    )
    try:
        with transaction() as session:
            query = select(Alert.id).where(Alert.open_key == finding.key)
            if session.scalar(query) is None:
                _raise(session, finding, now)
    except IntegrityError:
        log.info("another clock raised the same alert")


def _standing() -> Select[Alert]:
    return select(Alert).where(Alert.open_key.is_not(None)).order_by(Alert.id).with_for_update()


def _raise(session: Session, finding: Finding, now: datetime) -> None:
    alert = Alert(
        kind=finding.kind,
        subject=finding.subject,
        label=finding.label,
        severity=finding.severity,
        params=finding.params,
        sighting=finding.sighting,
        open_key=finding.key,
        raised_at=now,
        last_seen_at=now,
    )
    session.add(alert)
    session.flush()
    announcing.announce(session, alert, AlertEvent.RAISED, now)


def _see_again(session: Session, alert: Alert, finding: Finding, now: datetime) -> None:
    is_worse = finding.severity.rank > alert.severity.rank
    alert.last_seen_at = now
    alert.label, alert.params, alert.severity = finding.label, finding.params, finding.severity
    if finding.sighting != alert.sighting:
        alert.count += 1
        alert.sighting = finding.sighting
    if is_worse:
        # Whoever took note of it has not seen it like this.
        alert.acknowledged_at, alert.acknowledged_by = None, ""
        announcing.announce(session, alert, AlertEvent.RAISED, now)


def _end(session: Session, alert: Alert, now: datetime) -> None:
    alert.ended_at, alert.open_key = now, None
    announcing.announce_end(session, alert, now)


def list_alerts(
    *,
    state: AlertState | None = None,
    severity: Severity | None = None,
    page: int = 1,
    per_page: int = 50,
) -> Page[Alert]:
    """Return alerts: those of a state that still stands worst first, then the newest first."""
    query = select(Alert)
    if state is not None:
        query = _in_state(query, state)
        if state is not AlertState.ENDED:
            query = query.order_by(_RANK.desc())
    if severity is not None:
        query = query.where(Alert.severity == severity)
    query = query.order_by(Alert.raised_at.desc(), Alert.id.desc())
    return paginate(query, lambda row: row[0], page=page, per_page=per_page)


def get_alert(alert_id: int) -> Alert:
    """Return an alert; raises NotFoundError."""
    alert = db.session.get(Alert, alert_id)
    if alert is None:
        raise NotFoundError(
            say("Peringatan nomor %(alert_id)s tidak ada.", alert_id=alert_id),
            say("Lihat daftar peringatan."),
        )
    return alert


def count_open() -> int:
    """Return how many alerts nobody has taken note of."""
    return db.session.scalar(_in_state(select(func.count(Alert.id)), AlertState.OPEN)) or 0


def acknowledge(alert_id: int, *, by: str) -> Alert:
    """Note that `by` knows of an alert and looks after it; raises ConflictError when it ended."""
    with transaction() as session:
        alert = get_alert(alert_id)
        if alert.state is AlertState.ENDED:
            raise ConflictError(
                say("Peringatan nomor %(alert_id)s sudah berakhir.", alert_id=alert_id),
                say("Tidak ada yang perlu ditandai."),
            )
        if alert.state is AlertState.OPEN:
            _acknowledge([alert], by=by, now=registry_now(session))
        return alert


def acknowledge_all(*, severity: Severity | None = None, by: str) -> Sequence[Alert]:
    """Take note of every open alert (of one severity) and return them."""
    with transaction() as session:
        query = _in_state(select(Alert), AlertState.OPEN)
        if severity is not None:
            query = query.where(Alert.severity == severity)
        found = session.scalars(query).all()
        _acknowledge(found, by=by, now=registry_now(session))
        return found


def _acknowledge(alerts: Sequence[Alert], *, by: str, now: datetime) -> None:
    for alert in alerts:
        alert.acknowledged_by, alert.acknowledged_at = by, now
        audit.record("alert.acknowledge", f"alert {alert.id}", by=by, detail={"kind": alert.kind})


def story_of(alert: Alert, speech: Speech) -> Story:
    """Return what happened, what it means and what to do, in the words of `speech`."""
    return STORIES[alert.kind].told({**alert.params, "label": alert.label}, speech)


def indonesian_story(alert: Alert) -> Story:
    """Return an alert's story as messages and the command line tell it."""
    zone = settings.get(settings.TIMEZONE)
    word = settings.TIMEZONES[zone]

    def when(moment: datetime) -> str:
        here = moment.astimezone(ZoneInfo(zone))
        return f"{here.day} {_MONTHS[here.month - 1]} {here:%Y, %H.%M} {word}"

    return story_of(alert, Speech(fill, when, _play_title))


def _play_title(name: str) -> str:
    return CATALOGUE[name].title if name in CATALOGUE else name


def _in_state(query: Select[Any], state: AlertState) -> Select[Any]:
    if state is AlertState.ENDED:
        return query.where(Alert.ended_at.is_not(None))
    is_known = Alert.acknowledged_at.is_not(None)
    known = is_known if state is AlertState.ACKNOWLEDGED else ~is_known
    return query.where(Alert.ended_at.is_(None), known)
