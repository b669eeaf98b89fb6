"""The audit trail: who asked for what, when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, select, update

from siappakai.domain.chain import Break, Link, first_break, link_hash
from siappakai.models import AuditEntry, AuditHead, db, utc_now
from siappakai.models.transactions import before_commit
from siappakai.services.paging import Page, paginate

# What a page that shows the trail has the time to look at.
TAIL: Final = 200
# What a page can prove while somebody waits; `siappakai audit verify` proves all of it.
LONG_TAIL: Final = 20_000

_SUBJECT_LENGTH = 160
_BATCH = 1000
_LINK = (
    AuditEntry.id,
    AuditEntry.at,
    AuditEntry.actor,
    AuditEntry.action,
    AuditEntry.subject,
    AuditEntry.detail,
    AuditEntry.hash,
)


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What was found: entries looked at, all there are, the end's hash, the first break if any."""

    checked: int
    length: int
    end: str
    broken: Break | None


def record(action: str, subject: str, *, by: str, detail: dict[str, Any] | None = None) -> None:
    """Note in the open transaction that the actor `by` did `action` to `subject`.

    Call it inside `transaction()`: the entry is committed or rolled back with the deed.
    `action` is a dotted verb (`village.register`), `detail` JSON without secrets.
    """
    # As each registry gives it back: whole seconds, keys as text. The hash is of that.
    entry = AuditEntry(
        at=utc_now().replace(microsecond=0),
        actor=by,
        action=action,
        subject=subject[:_SUBJECT_LENGTH],
        detail=json.loads(json.dumps(detail or {})),
    )
    before_commit(_append, entry)


def list_entries(
    *, actor: str = "", action: str = "", subject: str = "", page: int = 1, per_page: int = 50
) -> Page[AuditEntry]:
    """Return the trail, newest first.

    `actor` is matched whole, `action` by its beginning (`village.` gives all that was done to
    villages), `subject` anywhere.
    """
    query = select(AuditEntry).order_by(AuditEntry.id.desc())
    query = _filtered(query, actor=actor, action=action, subject=subject)
    return paginate(query, lambda row: row[0], page=page, per_page=per_page)


def export_entries(*, actor: str = "", action: str = "", subject: str = "") -> Iterator[AuditEntry]:
    """Give the trail, oldest first, without holding all of it; filtered as `list_entries`."""
    query = select(AuditEntry).order_by(AuditEntry.id).execution_options(yield_per=_BATCH)
    query = _filtered(query, actor=actor, action=action, subject=subject)
    return iter(db.session.scalars(query))


def verify(*, last: int | None = None) -> ChainReport:
    """Tell whether the trail is as it was written, or only its `last` entries."""
    head = db.session.execute(select(AuditHead.length, AuditHead.hash)).one()
    skipped = max(0, head.length - last) if last is not None else 0
    before = db.session.execute(select(*_LINK).where(AuditEntry.id == skipped)).one_or_none()
    if skipped and before is None:
        return ChainReport(0, head.length, head.hash, Break(skipped, is_missing=True))
    # Entries are appended meanwhile: those behind the head that was read are not asked for.
    query = select(*_LINK).where(AuditEntry.id.between(skipped + 1, head.length))
    query = query.order_by(AuditEntry.id).execution_options(yield_per=_BATCH)
    with db.session.execute(query) as rows:
        broken = first_break(
            (Link(*row) for row in rows),
            after=Link(*before) if before is not None else None,
            length=head.length,
            end=head.hash,
        )
    return ChainReport(head.length - skipped, head.length, head.hash, broken)


def _filtered(
    query: Select[AuditEntry], *, actor: str, action: str, subject: str
) -> Select[AuditEntry]:
    if actor:
        query = query.where(AuditEntry.actor == actor)
    if action:
        query = query.where(AuditEntry.action.startswith(action, autoescape=True))
    if subject:
        query = query.where(AuditEntry.subject.icontains(subject, autoescape=True))
    return query


def _append(entries: list[AuditEntry]) -> None:
    """Chain what was noted to the trail's end; the head's row lets one writer in at a time."""
    head = db.session.execute(select(AuditHead.length, AuditHead.hash).with_for_update()).one()
    length, end = head.length, head.hash
    for entry in entries:
        length += 1
        link = Link(length, entry.at, entry.actor, entry.action, entry.subject, entry.detail)
        end = link_hash(end, link)
        entry.id, entry.hash = length, end
    db.session.execute(update(AuditHead).values(length=length, hash=end))
    db.session.add_all(entries)
    db.session.flush()
