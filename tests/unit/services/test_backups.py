"""Backups as the registry knows them: who is believed, what is asked for, what may go."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from playbooks.module_utils import backup_proof, room
from siappakai.domain.alerts import AlertKind, Severity
from siappakai.domain.backups import CopyState, ProofState, manifest_hash, name_of, reserve
from siappakai.domain.retention import Reason
from siappakai.domain.states import RunState, SiteState
from siappakai.domain.stores import StoreKind
from siappakai.errors import ConflictError, RefusedError
from siappakai.models import Backup, BackupCopy, Run, Site, Store, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import (
    backup_findings,
    backup_keys,
    backup_notes,
    backup_pruning,
    backup_runs,
    backups,
    copies,
    leases,
    servers,
    settings,
    store_pruning,
    stores,
)
from siappakai.services.errands import stored_name
from tests.factories import BY, make_release, make_run, make_server, make_site

SHA = "0" * 64


def make_store(name: str = "gudang") -> Store:
    place = {"endpoint": "http://127.0.0.1:1", "bucket": "b", "region": "", "prefix": ""}
    place["access_key"] = "k"
    with transaction() as session:
        store = Store(name=name, kind=StoreKind.S3, place=place)
        session.add(store)
        session.flush()
    return store


def built_site() -> Site:
    return make_site(release=make_release())


def make_backup(site: Site, *, days: int = 0, stored: bool = True, **fields: Any) -> Backup:
    taken = utc_now() - timedelta(days=days)
    count = db.session.query(Backup).count()
    with transaction() as session:
        backup = Backup(
            site_id=site.id,
            server_id=site.server_id,
            name=name_of("opensid-1", count),
            taken_at=taken,
            size=1,
            sha256=SHA,
            manifest={"taken_at": taken.isoformat()},
            **fields,
        )
        for store in stores.list_stores():
            state = CopyState.STORED if stored else CopyState.WAITING
            backup.copies.append(BackupCopy(store_id=store.id, state=state))
        session.add(backup)
        session.flush()
    return backup


def told(**changes: Any) -> dict[str, Any]:
    taken_at = utc_now().isoformat()
    return {"size": 5, "sha256": SHA, "manifest": {"taken_at": taken_at}, **changes}


def note(run: Run, facts: dict[str, Any]) -> None:
    with transaction() as session:
        backup_notes.note(session, run.id, facts)


def test_nothing_is_taken_without_a_recovery_key_and_a_store(registry: Flask) -> None:
    site = built_site()
    with pytest.raises(RefusedError, match="kunci pemulihan"):
        backups.request_take(site_ids=[site.id], by=BY)
    private, public = backup_keys.make_recovery_key(by=BY)
    assert private.startswith("AGE-SECRET-KEY-1")
    assert private not in str(settings.get_many(list(settings.KEYS)))
    with pytest.raises(RefusedError, match="penyimpanan"):
        backups.request_take(site_ids=[site.id], by=BY)
    make_store()
    (run,) = backups.request_take(site_ids=[site.id], by=BY)
    assert backup_runs.play_vars(run)["backup"]["recipients"] == [public]
    with pytest.raises(ConflictError):
        backup_keys.make_recovery_key(by=BY)
    assert backup_keys.make_recovery_key(replaces=True, by=BY)[1] != public


def test_only_what_is_built_is_backed_up_one_run_per_server(registry: Flask) -> None:
    backup_keys.make_recovery_key(by=BY)
    make_store()
    here, there = built_site(), make_site(server=make_server(), release=make_release())
    planned = make_site()
    asked = backups.request_take(site_ids=[here.id, there.id, planned.id], by=BY)
    assert [len(run.targets) for run in asked] == [1, 1]
    with pytest.raises(RefusedError, match="terpasang"):
        backups.request_take(site_ids=[planned.id], by=BY)


def test_a_server_is_believed_only_in_what_it_was_asked_for(registry: Flask) -> None:
    store, site = make_store(), built_site()
    run = make_run("backup", [site], state=RunState.RUNNING, token=77)
    host = run.targets[0].host
    note(run, {"../../etc/passwd": told(), f"{host}-78.age": told(), "opensid-1-77.age": told()})
    note(run, {f"{host}-77.age": told(sha256="x")})
    assert db.session.query(Backup).count() == 0
    note(run, {f"{host}-77.age": told()})
    note(run, {f"{host}-77.age": told(size=6)})
    (backup,) = db.session.query(Backup).all()
    assert (backup.size, backup.is_spooled) == (5, True)
    assert [(copy.store_id, copy.state) for copy in backup.copies] == [
        (store.id, CopyState.WAITING)
    ]


def test_another_server_cannot_prove_or_drop_what_it_was_not_given(registry: Flask) -> None:
    make_store()
    backup = make_backup(built_site())
    stranger = make_server()
    proving = make_run("prove", [stranger], state=RunState.RUNNING, options={"backups": []})
    copying = make_run("copy", [stranger], state=RunState.RUNNING)
    note(proving, {backup.name: {"proof": {"tables": 1}}})
    note(proving, {"server": {"recipient": "{{ lookup('pipe', 'id') }}"}})
    note(copying, {backup.name: {"dropped": True}})
    db.session.refresh(backup)
    assert backup.proof_state is ProofState.UNPROVEN
    assert backup.is_spooled
    assert stranger.proof_recipient == ""


def test_a_proof_that_could_not_be_made_says_nothing_of_the_backup(registry: Flask) -> None:
    make_store()
    proven = make_backup(built_site(), proof_state=ProofState.PROVEN, proven_at=utc_now())
    run = make_run("prove", [make_server()], options={"backups": [proven.id]})
    full = {"proof": {}, "msg": "No space left", "error": {"code": "os_error"}}
    note(run, {proven.name: full})
    db.session.expire_all()
    assert proven.proof_state is ProofState.PROVEN
    assert proven.proof_message == "No space left"
    assert run.targets[0].state is RunState.FAILED


def test_a_server_that_left_opens_no_later_backup(registry: Flask) -> None:
    backup_keys.make_recovery_key(by=BY)
    server = make_server(is_prover=True, proof_recipient="age1" + "q" * 58)
    assert server.proof_recipient in backup_keys.recipients()
    with transaction():
        servers.retire(server)
    assert len(backup_keys.recipients()) == 1
    assert backup_keys.provers() == []


def test_a_failed_proof_fails_its_run_and_names_the_cause(registry: Flask) -> None:
    make_store()
    good, bad = make_backup(site := built_site()), make_backup(site)
    options = {"backups": [good.id, bad.id], "arrived": {str(good.id): 1.5}}
    run = make_run("prove", [site.server], state=RunState.RUNNING, options=options)
    note(run, {bad.name: {"proof": {}, "msg": "changed", "error": {"code": "backup_changed"}}})
    note(run, {good.name: {"proof": {"tables": 244, "seconds": 2.0}}})
    for one in (good, bad, run.targets[0]):
        db.session.refresh(one)
    assert (good.proof_state, bad.proof_state) == (ProofState.PROVEN, ProofState.FAILED)
    assert good.proven_at is not None
    assert good.restore_seconds == 3.5
    assert run.targets[0].state is RunState.FAILED
    assert run.targets[0].error == {"code": "backup_changed"}


def test_pruning_lets_go_by_the_rules_and_never_what_is_held(registry: Flask) -> None:
    make_store()
    site = built_site()
    proven = [make_backup(site, days=days, proof_state=ProofState.PROVEN) for days in range(40)]
    waiting = make_backup(site, days=50, stored=False)
    for name in settings.KEEP:
        settings.put(name, 1 if name.endswith("daily") else 0, by=BY)
    backups.set_held(proven[30].id, held=True, by=BY)
    judged = {one.backup.id: one.reason for one in backup_pruning.prune(by=BY)}
    assert judged[proven[0].id] is Reason.NEWEST
    assert judged[proven[30].id] is Reason.HELD
    assert waiting.id not in judged
    left = {one.id for one in backups.list_backups(per_page=100).items}
    assert left == {proven[0].id, proven[30].id, waiting.id}
    with pytest.raises(RefusedError):
        backups.set_held(proven[5].id, held=True, by=BY)


def test_what_was_let_go_stays_while_nothing_else_of_its_site_is_proven(registry: Flask) -> None:
    store = make_store()
    site = built_site()
    proven = {"proof_state": ProofState.PROVEN, "proven_at": utc_now()}
    old = make_backup(site, days=9, expired_at=utc_now(), **proven)
    held = make_backup(site, days=8, expired_at=utc_now(), is_held=True)
    unproven = make_backup(site, days=7, expired_at=utc_now())
    new = make_backup(site, **proven)

    def going() -> set[int]:
        return {copy.backup_id for copy in store_pruning.due(store)}

    assert going() == {old.id, unproven.id}
    copies.mark(new.copies[0].id, CopyState.MISSING)
    assert going() == {unproven.id}
    with transaction():
        held.is_held = False
    assert going() == {held.id, unproven.id}


def test_a_server_dates_its_backups_within_the_time_of_its_run(registry: Flask) -> None:
    make_store()
    site = built_site()
    run = make_run("backup", [site], state=RunState.RUNNING, started_at=utc_now())
    name = name_of(run.targets[0].host, run.token)
    note(run, {name: told(manifest={"taken_at": "2031-01-01T00:00:00+00:00"})})
    (backup,) = db.session.query(Backup)
    assert backup.taken_at <= utc_now()


def test_what_waits_or_expired_is_carried_by_the_clock_once(registry: Flask) -> None:
    make_store()
    site = built_site()
    assert backup_runs.carry_on() == []
    make_backup(site, stored=False)
    (run,) = backup_runs.carry_on()
    assert (run.play, run.targets[0].server_id) == ("copy", site.server_id)
    assert backup_runs.carry_on() == []
    with transaction():
        run.state, run.ended_at = RunState.FAILED, utc_now()
    assert backup_runs.carry_on() == [], "a store that was down is not tried at once"
    assert len(backup_runs.carry_on(utc_now() + timedelta(minutes=11))) == 1


def test_the_newest_unproven_of_each_site_is_shared_among_the_provers(registry: Flask) -> None:
    make_store()
    one, two = built_site(), built_site()
    make_backup(one, days=2)
    newest = [make_backup(one), make_backup(two)]
    assert backups.unproven() == [backup.id for backup in newest]
    with pytest.raises(RefusedError, match="pembukti"):
        backups.request_prove(backup_ids=backups.unproven(), by=BY)
    for server in (one.server, make_server()):
        with transaction():
            server.is_prover, server.proof_recipient = True, "age1" + "q" * 58
    asked = backups.request_prove(backup_ids=backups.unproven(), by=BY)
    assert sorted(run.options["backups"][0] for run in asked) == [one.id for one in newest]
    assert backups.request_share(make_server(), by=BY) == []
    assert len(backups.request_share(one.server, by=BY)) == 1


def test_a_store_with_the_only_copy_is_not_forgotten(registry: Flask) -> None:
    make_store("satu")
    make_backup(built_site())
    with pytest.raises(RefusedError, match="Hanya satu"):
        stores.remove_store("satu", by=BY)
    with transaction() as session:
        session.add(
            BackupCopy(
                backup_id=session.query(Backup).one().id,
                store_id=make_store("dua").id,
                state=CopyState.STORED,
            )
        )
    assert stores.remove_store("satu", by=BY).secret_sealed == ""
    assert [store.name for store in stores.list_stores()] == ["dua"]


def test_a_store_that_was_removed_holds_nothing_for_us_and_loses_nothing(registry: Flask) -> None:
    """What the rules keep because of a copy is kept because of one that can still be read."""
    make_store("satu")
    backup = make_backup(built_site(), proof_state=ProofState.PROVEN)
    with transaction() as session:
        extra = BackupCopy(backup_id=backup.id, store_id=make_store("dua").id)
        session.add(extra)
        extra.state = CopyState.STORED
    stores.remove_store("satu", by=BY)
    (left, kept) = db.session.query(BackupCopy).order_by(BackupCopy.id)
    assert (left.state, kept.state) == (CopyState.LEFT, CopyState.STORED)
    copies.mark(left.id, CopyState.STORED)
    assert left.state is CopyState.LEFT, "a transfer that ends late changes nothing"
    copies.mark(kept.id, CopyState.MISSING, RefusedError("Hilang."))
    with transaction():
        backup.is_spooled = False
    assert [one.backup.id for one in backup_pruning.prune(by=BY)] == []
    assert backups.unproven() == []
    with transaction():
        backup.expired_at, backup.proof_state = utc_now(), ProofState.UNPROVEN
    due = copies.of_servers([backup.server_id]).where(copies.expired())
    assert [one.id for one in db.session.scalars(due)] == [kept.id]


def test_what_stores_lost_is_told_gravely_when_nothing_else_has_it(registry: Flask) -> None:
    make_store("satu")
    make_store("dua")
    backup = make_backup(built_site(), is_spooled=False)
    two, one = [copy.id for copy in backup.copies]
    lost = RefusedError("Hilang.")
    copies.mark(one, CopyState.MISSING, lost)
    (found,) = backup_findings.look(utc_now())
    assert (found.kind, found.label, found.severity) == (
        AlertKind.COPIES_BROKEN,
        "satu",
        Severity.WARNING,
    )
    copies.mark(two, CopyState.DAMAGED, lost)
    assert [one.severity for one in backup_findings.look(utc_now())] == [Severity.CRITICAL] * 2
    assert [one.backup.id for one in backup_pruning.prune(by=BY)] == [backup.id], "judged, and kept"
    assert backup.expired_at is None


def test_villages_without_a_fresh_backup_and_failing_stores_are_found(registry: Flask) -> None:
    now = utc_now()
    old = now - timedelta(days=9)
    site = make_site(release=make_release(), installed_at=old, state=SiteState.ACTIVE)
    (nowhere,) = backup_findings.look(now)
    assert (nowhere.kind, nowhere.params["sites"]) == (AlertKind.BACKUP_NOWHERE, 1)
    store = make_store()
    (stale,) = backup_findings.look(now)
    assert (stale.kind, stale.params["sites"]) == (AlertKind.BACKUP_STALE, 1)
    make_backup(site)
    assert list(backup_findings.look(now)) == []
    with transaction():
        site.server.is_prover, site.server.proof_recipient = True, "age1" + "q" * 58
    assert [one.kind for one in backup_findings.look(now)] == [AlertKind.BACKUP_STALE]
    with transaction():
        store.failing_since, store.failure = old, "mati"
    assert AlertKind.STORE_FAILING in {one.kind for one in backup_findings.look(now)}


def test_proofs_are_asked_for_a_few_at_a_time(registry: Flask) -> None:
    """All that one run proves lies on the prover at once."""
    make_store()
    found = [make_backup(built_site()) for _ in range(backups.PROVEN_AT_ONCE + 1)]
    prover = make_server(is_prover=True, proof_recipient="age1" + "q" * 58)
    ids = [one.id for one in found]
    for asked in (
        backups.request_prove(backup_ids=ids, by=BY),
        backups.request_share(prover, by=BY),
    ):
        assert [run.options["backups"] for run in asked] == [ids[:-1], ids[-1:]]


def test_a_proof_whose_staging_was_cancelled_plays_nothing(registry: Flask) -> None:
    run = make_run("prove", [make_server()], options={"backups": [1]})
    assert backup_runs.play_vars(run)["proof"]["backups"] == []


def test_carrying_holds_up_no_work_on_sites_and_leaves_workers_for_it(registry: Flask) -> None:
    server = make_server(parallelism=1)
    site = make_site(server=server)
    carrying = [make_run("copy", [server]), make_run("prove", [make_server()])]
    install = make_run("install", [site])
    assert leases.claim(carrying[0].id) is not None
    assert leases.claim(install.id) is not None, carrying[0].message
    assert leases.claim(carrying[1].id) is None
    assert "sekaligus" in carrying[1].message
    with transaction():
        carrying[0].state = RunState.SUCCEEDED
    assert leases.claim(carrying[1].id) is not None


def test_a_restore_that_would_take_too_long_is_told(registry: Flask) -> None:
    make_store()
    slow, quick = built_site(), built_site()
    proof = {"seconds": 3000.0, "brought_seconds": 1200.0}
    make_backup(slow, proof_state=ProofState.PROVEN, proof=proof, proven_at=utc_now())
    proof = {"seconds": 30.0, "brought_seconds": 1.0}
    make_backup(quick, proof_state=ProofState.PROVEN, proof=proof, proven_at=utc_now())
    (found,) = backup_findings.look(utc_now())
    assert (found.kind, found.label) == (AlertKind.RESTORE_SLOW, slow.server.name)
    assert found.params == {"sites": 1, "target": 60, "longest": 70}
    settings.put(settings.RESTORE_TARGET_MINUTES, 90, by=BY)
    assert list(backup_findings.look(utc_now())) == []


def test_copies_are_read_by_few_queries_and_without_manifests(registry: Flask) -> None:
    """There are thousands, and each manifest has a line for every table."""
    make_store()
    site = built_site()
    for _ in range(5):
        make_backup(site)
    db.session.expire_all()
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    for copy in db.session.scalars(copies.of_servers([site.server_id])):
        assert stored_name(copy.backup)
    backup_pruning.prune(by=BY)
    asked = [one for one in statements if "FROM backup" in one]
    assert len(asked) <= 3
    assert not any("manifest" in one for one in asked)


def test_both_sides_reckon_alike() -> None:
    for size in (1 << 30, 50 << 30, 1 << 40):
        assert reserve(size) == room.reserve(size)
    manifest = {"b": [1, {"é": "x"}], "a": None}
    assert manifest_hash(manifest) == backup_proof.manifest_hash(dict(reversed(manifest.items())))
