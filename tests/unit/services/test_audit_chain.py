"""The trail is a chain that only grows: the registry refuses changes, and verifying finds them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from siappakai.domain.chain import Break
from siappakai.models import db
from siappakai.models.transactions import transaction
from siappakai.services import audit
from tests.databases import every_database

pytestmark = [every_database, pytest.mark.usefixtures("registry")]

TRIGGERS = ("audit_entries_no_update", "audit_entries_no_delete", "audit_heads_no_delete")
SWAP = (
    "UPDATE audit_entries SET id = -3 WHERE id = 3",
    "UPDATE audit_entries SET id = 3 WHERE id = 4",
    "UPDATE audit_entries SET id = 4 WHERE id = -3",
)


def _record(count: int, action: str = "village.register") -> None:
    for number in range(count):
        with transaction():
            audit.record(action, f"desa {number}", by="ani", detail={"é": number, "b": {"a": 1.5}})


def _tamper(*statements: str) -> None:
    """Do what somebody with the database's own password can."""
    if db.engine.dialect.name == "postgresql":
        guards = [f"ALTER TABLE {name} DISABLE TRIGGER ALL" for name in ("audit_entries",)]
    else:
        guards = [f"DROP TRIGGER {name}" for name in TRIGGERS]
    with db.engine.begin() as connection:
        for statement in (*guards, *statements):
            connection.execute(text(statement))


def test_an_untouched_trail_is_whole():
    assert audit.verify().broken is None
    with transaction():
        audit.record("village.register", "one", by="ani")
        audit.record("village.register", "two", by="ani", detail={1: "a key that is no text"})
    _record(5)
    report = audit.verify()

    assert (report.checked, report.length, report.broken) == (7, 7, None)
    assert [entry.id for entry in audit.export_entries()] == [1, 2, 3, 4, 5, 6, 7]
    assert report.end == list(audit.export_entries())[-1].hash
    assert audit.verify(last=3).checked == 3
    assert audit.verify(last=3).broken is None


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (["UPDATE audit_entries SET actor = 'budi' WHERE id = 3"], Break(3, is_missing=False)),
        (["UPDATE audit_entries SET subject = '' WHERE id = 6"], Break(6, is_missing=False)),
        (["DELETE FROM audit_entries WHERE id = 4"], Break(4, is_missing=True)),
        (["DELETE FROM audit_entries WHERE id = 6"], Break(6, is_missing=True)),
        (["DELETE FROM audit_entries"], Break(1, is_missing=True)),
        (SWAP, Break(3, is_missing=False)),
    ],
    ids=["changed", "changed last", "removed", "removed last", "emptied", "reordered"],
)
def test_what_was_tampered_with_is_named(statements: list[str], found: Break):
    _record(6)
    _tamper(*statements)

    assert audit.verify().broken == found


def test_the_tail_alone_tells_of_itself():
    _record(6)
    _tamper("UPDATE audit_entries SET actor = 'budi' WHERE id = 2")

    assert audit.verify(last=3).broken is None
    db.session.rollback()
    with db.engine.begin() as connection:
        connection.execute(text("DELETE FROM audit_entries WHERE id = 3"))
    assert audit.verify(last=3).broken == Break(3, is_missing=True)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET actor = 'budi'",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_heads",
        "UPDATE audit_heads SET length = 1",
    ],
)
def test_the_registry_itself_refuses_to_change_the_trail(statement: str):
    _record(2)
    db.session.rollback()
    with (
        pytest.raises(DBAPIError, match="only grows"),
        db.engine.begin() as connection,
    ):
        connection.execute(text(statement))
    assert audit.verify().broken is None


def test_writers_at_once_make_one_chain(registry: Flask):
    start = threading.Barrier(4)

    def write(_: int) -> None:
        with registry.app_context():
            start.wait()
            _record(15)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    report = audit.verify()

    assert (report.length, report.broken) == (60, None)
