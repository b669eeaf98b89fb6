"""Part of a transaction that fails is undone, with what was to follow its commit."""

import pytest
from sqlalchemy import select

from siappakai.errors import ConflictError
from siappakai.models import AuditEntry, Setting, db
from siappakai.models.transactions import after_commit, attempt, transaction
from siappakai.services import audit
from tests.factories import BY

pytestmark = pytest.mark.usefixtures("registry")


def deed(name: str, told: list[str]) -> None:
    """Write something, note it, and tell of it after the commit."""
    db.session.add(Setting(key=name, value=1))
    db.session.flush()
    audit.record("deed.do", name, by=BY)
    after_commit(told.append, name)


def fail(name: str, told: list[str]) -> None:
    with attempt():
        deed(name, told)
        raise ConflictError("no")


def test_what_fails_is_undone_and_the_rest_stays():
    told: list[str] = []
    with transaction():
        deed("first", told)
        with pytest.raises(ConflictError):
            fail("second", told)
        with attempt():
            deed("third", told)
    assert told == ["first", "third"]
    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "deed.do"))
    assert [entry.subject for entry in entries] == ["first", "third"]
    kept = db.session.scalars(
        select(Setting.key).where(Setting.key.in_(("first", "second", "third")))
    )
    assert sorted(kept) == ["first", "third"]
    assert audit.verify().broken is None
