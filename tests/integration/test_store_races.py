"""Two people at the stores at once, on every database: no backup is left without a store."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from siappakai.domain.backups import CopyState
from siappakai.domain.stores import StoreKind
from siappakai.errors import RefusedError
from siappakai.models import Backup, BackupCopy, Store, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import audit, copies, stores
from tests.databases import every_database
from tests.factories import BY, make_site

pytestmark = [pytest.mark.integration, every_database]


def two_stores(state: CopyState) -> Backup:
    """A backup with a copy in each of two stores."""
    site = make_site()
    with transaction() as session:
        found = [Store(name=name, kind=StoreKind.S3) for name in ("satu", "dua")]
        backup = Backup(site_id=site.id, server_id=site.server_id, name="a.age", size=1)
        backup.taken_at, backup.sha256 = utc_now(), "0" * 64
        backup.copies = [BackupCopy(store=store, state=state) for store in found]
        session.add_all([*found, backup])
        session.flush()
    return backup


def both(registry: Flask, work: Callable[[str], object]) -> list[Any]:
    """Do something with both stores at once; return what was refused."""

    def one(name: str) -> RefusedError | None:
        with registry.app_context():
            try:
                work(name)
            except RefusedError as refusal:
                return refusal
        return None

    db.session.commit()
    with ThreadPoolExecutor(2) as pool:
        refused = [one for one in pool.map(one, ("satu", "dua")) if one]
    db.session.expire_all()
    return refused


def test_the_last_two_stores_are_not_removed_at_once(
    registry: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_stores(CopyState.STORED)
    looked, real = threading.Barrier(2), audit.record

    def record_together(*given: Any, **named: Any) -> None:
        # Who has looked waits for the other one, unless that one has to wait for this.
        with suppress(threading.BrokenBarrierError):
            looked.wait(0.5)
        real(*given, **named)

    monkeypatch.setattr(audit, "record", record_together)
    refused = both(registry, lambda name: stores.remove_store(name, by=BY))
    assert len(refused) == 1
    assert len(stores.list_stores()) == 1
    (left,) = db.session.scalars(select(BackupCopy).where(BackupCopy.state == CopyState.STORED))
    assert left.store.removed_at is None


def test_what_a_store_was_never_told_of_is_found_once(registry: Flask) -> None:
    """As a backup that was noted while the store was being added."""
    backup = two_stores(CopyState.STORED)
    with transaction() as session:
        session.delete(backup.copies[1])
    lacking = stores.get_store("dua").id

    def provide(_name: str) -> None:
        with transaction() as session:
            copies.provide(session, lacking, [backup.server_id])

    assert both(registry, provide) == []
    (found,) = db.session.scalars(select(BackupCopy).where(BackupCopy.store_id == lacking))
    assert (found.backup_id, found.state, found.message) == (backup.id, CopyState.WAITING, "")
    assert db.session.scalar(select(func.count(BackupCopy.id))) == 2
