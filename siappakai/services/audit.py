"""The audit trail: who asked for what, when."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from siappakai.models import AuditEntry, db
from siappakai.services.paging import Page, paginate

_SUBJECT_LENGTH = 160


def record(
    action: str, subject: str, *, by: str, detail: dict[str, Any] | None = None
) -> AuditEntry:
    """Note in the open transaction that the actor `by` did `action` to `subject`.

    Call it inside `transaction()`: the entry is committed or rolled back with the deed.
    `action` is a dotted verb (`village.register`), `detail` JSON without secrets.
    """
    entry = AuditEntry(
        actor=by, action=action, subject=subject[:_SUBJECT_LENGTH], detail=detail or {}
    )
    db.session.add(entry)
    return entry


def list_entries(
    *, actor: str = "", action: str = "", subject: str = "", page: int = 1, per_page: int = 50
) -> Page[AuditEntry]:
    """Return the trail, newest first.

    `actor` is matched whole, `action` by its beginning (`village.` gives all that was done to
    villages), `subject` anywhere.
    """
    query = select(AuditEntry).order_by(AuditEntry.id.desc())
    if actor:
        query = query.where(AuditEntry.actor == actor)
    if action:
        query = query.where(AuditEntry.action.startswith(action, autoescape=True))
    if subject:
        query = query.where(AuditEntry.subject.icontains(subject, autoescape=True))
    return paginate(query, lambda row: row[0], page=page, per_page=per_page)
