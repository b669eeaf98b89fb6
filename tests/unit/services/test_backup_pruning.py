"""What may go goes part by part, what is nowhere is forgotten, and what waits gets its proof."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from siappakai.domain.backups import CopyState, ProofState
from siappakai.errors import RefusedError
from siappakai.models import AuditEntry, Backup, BackupCopy, Server, Store, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import (
    audit,
    backup_pruning,
    backups,
    copies,
    pruning,
    settings,
    store_pruning,
    stores,
)
from tests.factories import BY, make_server
from tests.unit.services.test_backups import built_site, make_backup, make_store

PROVEN = {"proof_state": ProofState.PROVEN, "proven_at": utc_now()}


def keep_one_a_day() -> None:
    for name in settings.KEEP:
        settings.put(name, 1 if name.endswith("daily") else 0, by=BY)


def fail(store: Store) -> None:
    with transaction() as session:
        session.merge(store).failing_since = utc_now()


def test_what_was_cut_off_has_pruned_some_sites_and_goes_on(
    registry: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store()
    keep_one_a_day()
    for _ in range(3):
        site = built_site()
        for days in (0, 5):
            make_backup(site, days=days, **PROVEN)
    monkeypatch.setattr(backup_pruning, "_SITES_AT_ONCE", 1)
    monkeypatch.setattr(backup_pruning, "_PAUSE_SECONDS", 0)
    real, calls = backup_pruning.judge, list[int]()

    def cut_off(*given: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*given)

    with monkeypatch.context() as patched:
        patched.setattr(backup_pruning, "judge", cut_off)
        with pytest.raises(KeyboardInterrupt):
            backup_pruning.prune(by=BY)

    def gone() -> int:
        return db.session.query(Backup).filter(Backup.expired_at.is_not(None)).count()

    assert gone() == 2
    assert len(audit.list_entries(action="backup.prune").items) == 2
    backup_pruning.prune(by=BY)
    assert gone() == 3


def test_what_is_nowhere_any_more_is_forgotten_and_stays_in_the_trail(registry: Flask) -> None:
    store = make_store()
    site = built_site()
    long_ago = utc_now() - timedelta(days=pruning.BACKUP_DAYS + 1)
    gone, still_there, lately, held, spooled = (
        make_backup(site, expired_at=at, is_held=is_held, is_spooled=is_spooled)
        for at, is_held, is_spooled in (
            (long_ago, False, False),
            (long_ago, False, False),
            (utc_now(), False, False),
            (long_ago, True, False),
            (long_ago, False, True),
        )
    )
    with transaction() as session:
        audit.record("backup.prune", "1", by=BY, detail={"names": [gone.name]})
        for copy in session.query(BackupCopy).filter(BackupCopy.backup_id != still_there.id):
            copy.state = CopyState.DELETED
    assert pruning.prune(BY).backups == 1
    left = {one.id for one in db.session.query(Backup)}
    assert left == {still_there.id, lately.id, held.id, spooled.id}
    assert db.session.query(BackupCopy).count() == 4
    entries = db.session.query(AuditEntry).filter(AuditEntry.action == "backup.prune")
    assert [one.detail for one in entries] == [{"names": ["opensid-1-0.age"]}]
    assert pruning.prune(BY).backups == 0
    assert store_pruning.due_counts() == {}
    assert store.id


def test_a_store_that_fails_counts_for_nothing_that_is_let_go_for_it(registry: Flask) -> None:
    """Neither for its own removal's sake, nor for what another one may forget."""
    works, fails = make_store("satu"), make_store("dua")
    site = built_site()
    old = make_backup(site, days=9, expired_at=utc_now(), **PROVEN)
    new = make_backup(site, **PROVEN)
    with transaction() as session:
        session.delete(new.copies[0] if new.copies[0].store_id == works.id else new.copies[1])
    assert [one.backup_id for one in store_pruning.due(works)] == [old.id]
    fail(fails)
    assert store_pruning.due(works) == []
    make_backup(site)
    with pytest.raises(RefusedError, match="kini dapat memberikan 1"):
        stores.remove_store("satu", by=BY)
    with transaction() as session:
        session.get_one(Store, fails.id).failing_since = None
    assert stores.remove_store("satu", by=BY).removed_at is not None


def test_what_only_a_failing_store_has_pushes_out_nothing(registry: Flask) -> None:
    make_store("satu")
    site = built_site()
    sound = make_backup(site, days=3, **PROVEN)
    fails = make_store("dua")
    newest = make_backup(site, **PROVEN)
    with transaction() as session:
        for copy in newest.copies:
            if copy.store_id != fails.id:
                session.delete(copy)
    keep_one_a_day()
    fail(fails)
    judged = backup_pruning.prune(by=BY)
    assert [one.backup.id for one in judged if one.reason.may_go] == []
    assert sound.expired_at is None


def prover() -> Server:
    return make_server(is_prover=True, proof_recipient="age1" + "q" * 58)


def test_every_backup_gets_its_proof_the_newest_first_then_the_oldest(registry: Flask) -> None:
    make_store()
    one, two = built_site(), built_site()
    make_backup(two, days=8, proof_message="Kunci lain.")
    make_backup(two, days=7, stored=False)
    make_backup(two, days=6, expired_at=utc_now())
    make_backup(two, days=5, **PROVEN)
    older = [make_backup(one, days=days) for days in (2, 4, 3)]
    newest = [make_backup(one), make_backup(two)]
    wanted = [*(one.id for one in newest), older[1].id, older[2].id, older[0].id]
    assert backups.proof_queue() == wanted
    (run,) = backups.request_share(prover(), by=BY)
    assert run.options["backups"] == wanted
    assert backups.waiting_for_proof() == 6


def test_of_those_that_waited_some_are_proven_each_night(
    registry: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store()
    site = built_site()
    ids = [make_backup(site, days=9 - count).id for count in range(9)]
    monkeypatch.setattr(backups, "_OLDER_AT_ONCE", 3)
    assert backups.proof_queue() == [ids[-1], *ids[:3]]


def test_a_store_is_added_and_removed_in_few_statements(registry: Flask) -> None:
    """There may be a hundred thousand copies."""
    make_store("satu")
    site = built_site()
    kept = [make_backup(site) for _ in range(20)]
    second = make_store("dua")
    with transaction() as session:
        copies.provide(session, second.id)
        copies.provide(session, second.id)
    added = db.session.query(BackupCopy).filter(BackupCopy.store_id == second.id)
    assert {one.backup_id for one in added} == {one.id for one in kept}
    assert {one.state for one in added} == {CopyState.WAITING}
