"""What else a registry of years holds: its trail, logs, alerts, schedules, people and drafts."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, literal, select

from siappakai.domain.alerts import AlertKind, Finding, Severity
from siappakai.domain.backups import CopyState, ProofState
from siappakai.domain.recurrence import Every, Recurrence
from siappakai.domain.stores import S3Place, StoreKind
from siappakai.models import (
    Alert,
    Backup,
    BackupCopy,
    LogChunk,
    Role,
    Site,
    Store,
    Target,
    db,
    utc_now,
)
from siappakai.models.transactions import transaction
from siappakai.services import (
    accounts,
    alerts,
    audit,
    channels,
    fleet_calendar,
    imports,
    schedules,
    tokens,
)
from siappakai.services.runs import pack
from siappakai.services.schedule_orders import Order

_BY = "bench"
_RUNS_IN_TRAIL = 1000
_ALERTS = 60
_LOG_CHUNKS, _LINES = 25, 400
_IMPORTED = 500
_STORES = ("dinas", "luar")
_NIGHTS = 7
_HEADINGS = "kode_desa,nama_desa,nama_kecamatan\n"


def fill(last_run: int) -> dict[str, Any]:
    """Write it all beside runs up to `last_run`; return an id of each noun."""
    _trail(last_run)
    _log(last_run)
    _alerts()
    _backups()
    fleet_calendar.count_if_due()
    order = Order("health", Recurrence(Every.DAY, "02:00"))
    made = [
        schedules.create_schedule(name=f"Jadwal {number}", order=order, by=_BY)
        for number in range(1, 6)
    ]
    hook = "https://hooks.example/panel"
    channel, _ = channels.create_channel(name="Kominfo", kind="webhook", address=hook, by=_BY)
    person, _ = accounts.create_user(
        username="petugas", password=secrets.token_urlsafe(18), role=Role.OPERATOR, by=_BY
    )
    tokens.create_token(person.id, name="Laporan", scopes=["runs:read"], days=9, by=_BY)
    lines = (f"5102012{number:03},Desa {number},Kecamatan\n" for number in range(_IMPORTED))
    listed = (_HEADINGS + "".join(lines)).encode()
    return {
        "alert_id": db.session.scalars(select(Alert.id).limit(1)).one(),
        "channel_id": channel.id,
        "name": _STORES[0],
        "draft_id": imports.preview_import(listed, filename="desa.csv", by=_BY).id,
        "schedule_id": made[0].id,
        "user_id": person.id,
    }


def _trail(last_run: int) -> None:
    """Note the last runs as asking for them does, with the hosts of each."""
    with transaction() as session:
        for run_id in range(max(1, last_run - _RUNS_IN_TRAIL), last_run + 1):
            hosts = session.scalars(select(Target.host).where(Target.run_id == run_id)).all()
            detail = {"targets": list(hosts)}
            audit.record("run.install", f"run {run_id}", by=_BY, detail=detail)


def _log(run_id: int) -> None:
    with transaction() as session:
        for number in range(_LOG_CHUNKS):
            first = number * _LINES
            lines = [f"ok: [opensid-5102012001] line {first + line}" for line in range(_LINES)]
            session.add(LogChunk(run_id=run_id, first_line=first, lines=_LINES, data=pack(lines)))


def _backups() -> None:
    """Write a week of nights: a proven backup of each site, in two stores."""
    with transaction() as session:
        stores = [
            Store(
                name=name,
                kind=StoreKind.S3,
                place=asdict(S3Place("https://s3.example", name, "", "", "key")),
            )
            for name in _STORES
        ]
        session.add_all(stores)
        session.flush()
        sites = session.execute(select(Site.id, Site.server_id)).all()
        for night in range(_NIGHTS, 0, -1):
            at = utc_now() - timedelta(days=night)
            rows = [_backup(site_id, server_id, at) for site_id, server_id in sites]
            session.execute(insert(Backup), rows)
        for store in stores:
            known = select(Backup.id, literal(store.id), literal(CopyState.STORED), literal(""))
            columns = ["backup_id", "store_id", "state", "message"]
            session.execute(insert(BackupCopy).from_select(columns, known))


def _backup(site_id: int, server_id: int, at: datetime) -> dict[str, Any]:
    return {
        "site_id": site_id,
        "server_id": server_id,
        "name": f"{site_id}-{at:%Y%m%d}.age",
        "taken_at": at,
        "size": 220_000_000,
        "sha256": "0" * 64,
        "is_spooled": False,
        "proof_state": ProofState.PROVEN,
        "proven_at": at + timedelta(hours=1),
        "proof": {"seconds": 3.1, "tables": 244, "residents": 4000},
    }


def _alerts() -> None:
    findings = [
        Finding(AlertKind.QUEUE_DOWN, f"queue {number}", "Redis", Severity.CRITICAL, "1")
        for number in range(_ALERTS)
    ]
    alerts.reconcile(findings[: _ALERTS // 2], utc_now() - timedelta(days=30))
    alerts.reconcile(findings[_ALERTS // 2 :], utc_now())
