"""Carrying backups to real buckets: from the spool, from other stores, and what is not there."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from flask import Flask
from sqlalchemy import update

from siappakai.domain.backups import CopyState, ProofState
from siappakai.domain.states import RunState
from siappakai.models import Backup, BackupCopy, Run, Server, Site, Step, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import (
    backup_runs,
    couriers,
    servers,
    store_marks,
    store_pruning,
    stores,
)
from siappakai.services.errands import stored_name
from siappakai.services.leases import Lease, Tenure
from siappakai.services.servers import layout_of
from tests.buckets import Buckets, buckets
from tests.factories import BY, make_release, make_run, make_server, make_site

pytestmark = [pytest.mark.integration, pytest.mark.patient]
STORED, MISSING, DAMAGED = CopyState.STORED, CopyState.MISSING, CopyState.DAMAGED


@dataclass(frozen=True)
class Carrier:
    """A server, which is the machine itself, with backups in its spool, and buckets for them."""

    server: Server
    buckets: Buckets

    @property
    def spool(self) -> Path:
        return Path(layout_of(self.server).spool)

    def backup(self, site: Site, *, days: int = 0) -> Backup:
        """A backup as it was told of when it was taken; its file lies in the spool."""
        content = os.urandom(1000)
        name = f"{site.village.code}-{db.session.query(Backup).count()}.age"
        (self.spool / name).write_bytes(content)
        with transaction() as session:
            backup = Backup(
                site_id=site.id,
                server_id=self.server.id,
                name=name,
                taken_at=utc_now() - timedelta(days=days),
                size=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                manifest={"taken_at": ""},
            )
            backup.copies = [BackupCopy(store_id=store.id) for store in stores.list_stores()]
            session.add(backup)
            session.flush()
        return backup

    def carry(self) -> Run:
        """Carry as a worker would before the playbook of its run."""
        run = make_run("copy", [self.server], state=RunState.RUNNING)
        couriers.prepare(run, Tenure(Lease(run.id, run.token, run.state)))
        with transaction():
            # Long enough ago for the clock to ask again.
            run.state, run.ended_at = RunState.SUCCEEDED, utc_now() - timedelta(hours=1)
        db.session.expire_all()
        return run

    def stage(self, *staged: Backup) -> Run:
        """Bring backups here to be proven, as a worker would before the playbook of its run."""
        options = {"backups": [one.id for one in staged]}
        run = make_run("prove", [self.server], state=RunState.RUNNING, options=options)
        couriers.prepare(run, Tenure(Lease(run.id, run.token, run.state)))
        db.session.expire_all()
        return run

    def arrived(self) -> list[Path]:
        return sorted(self.spool.glob("arrived-*"))

    def clear_spool(self, backup: Backup) -> None:
        (self.spool / backup.name).unlink()
        with transaction() as session:
            session.get_one(Backup, backup.id).is_spooled = False


@pytest.fixture
def site(registry: Flask) -> Iterator[Site]:
    # tmp_path lies deeper than a server's root may.
    with TemporaryDirectory(prefix="siappakai-") as root:
        server = make_server("local", connection="local", address="127.0.0.1", root=root)
        Path(layout_of(server).spool).mkdir(parents=True)
        yield make_site(server=server, release=make_release())


@pytest.fixture
def carrier(site: Site) -> Iterator[Carrier]:
    with buckets() as found:
        yield Carrier(site.server, found)


def states(backup: Backup) -> dict[str, CopyState]:
    db.session.expire_all()
    return {copy.store.name: copy.state for copy in backup.copies}


def details(run: Run) -> str:
    found = db.session.query(Step).filter(Step.target_id == run.targets[0].id)
    return "\n".join(f"{step.name}: {step.detail}" for step in found if step.detail)


@pytest.mark.parametrize("rot", [Path.unlink, lambda path: path.write_bytes(b"x" * 1000)])
def test_what_is_rotten_in_the_spool_is_given_up_and_the_others_go_on(
    carrier: Carrier, site: Site, rot: Callable[[Path], object]
) -> None:
    carrier.buckets.add_store("satu")
    carrier.buckets.add_store("dua")
    rotten, good = carrier.backup(site), carrier.backup(site, days=1)
    rot(carrier.spool / rotten.name)
    run = carrier.carry()
    assert states(good) == {"satu": STORED, "dua": STORED}
    assert states(rotten) == {"satu": MISSING, "dua": MISSING}
    assert (rotten.is_spooled, rotten.proof_state) == (False, ProofState.FAILED)
    assert all(copy.message for copy in rotten.copies)
    assert run.targets[0].state is RunState.FAILED
    assert rotten.name in details(run)
    assert all(store.failing_since is None for store in stores.list_stores())
    again = carrier.carry()
    assert again.targets[0].state is RunState.RUNNING, "told once"
    assert backup_runs.carry_on() == []


def test_a_server_that_cannot_be_read_condemns_nothing(carrier: Carrier, site: Site) -> None:
    carrier.buckets.add_store("satu")
    backup = carrier.backup(site)
    hidden = carrier.spool.rename(carrier.spool.with_name("hidden"))
    with pytest.raises(Exception, match="gagal"):
        carrier.carry()
    assert states(backup) == {"satu": CopyState.WAITING}
    assert backup.is_spooled
    hidden.rename(carrier.spool)
    carrier.carry()
    assert states(backup) == {"satu": STORED}


def test_a_store_that_comes_later_is_filled_from_the_others_newest_first(
    carrier: Carrier, site: Site
) -> None:
    carrier.buckets.add_store("satu")
    old, new = carrier.backup(site, days=9), carrier.backup(site)
    carrier.carry()
    for backup in (old, new):
        carrier.clear_spool(backup)
    carrier.buckets.add_store("dua")
    assert states(old)["dua"] is CopyState.WAITING
    assert [run.play for run in backup_runs.carry_on()] == ["copy"]
    run = carrier.carry()
    assert states(old) == states(new) == {"satu": STORED, "dua": STORED}
    steps = db.session.query(Step).filter(Step.target_id == run.targets[0].id).order_by(Step.id)
    assert [step.name for step in steps] == [f"dua: {new.name}", f"dua: {old.name}"]
    name = stored_name(old)
    assert carrier.buckets.get("dua", name) == carrier.buckets.get("satu", name)


def test_what_was_deleted_or_cut_in_a_store_is_noticed_and_made_again(
    carrier: Carrier, site: Site
) -> None:
    for name in ("satu", "dua"):
        carrier.buckets.add_store(name)
    gone, cut = carrier.backup(site), carrier.backup(site)
    carrier.carry()
    carrier.clear_spool(gone)
    carrier.clear_spool(cut)
    carrier.buckets.delete("satu", stored_name(gone))
    carrier.buckets.put("satu", stored_name(cut), b"short")
    assert backup_runs.carry_on() == [], "nobody has looked"
    assert len(backup_runs.carry_on(utc_now() + timedelta(days=1, minutes=1))) == 1
    run = carrier.carry()
    assert run.targets[0].state is RunState.FAILED
    assert "2 cadangan hilang atau rusak di satu" in details(run)
    assert states(gone) == states(cut) == {"satu": STORED, "dua": STORED}
    assert hashlib.sha256(carrier.buckets.get("satu", stored_name(cut))).hexdigest() == cut.sha256


def test_what_no_store_has_any_more_is_told_and_found_again_when_it_is_brought_back(
    carrier: Carrier, site: Site
) -> None:
    carrier.buckets.add_store("satu")
    backup = carrier.backup(site)
    carrier.carry()
    carrier.clear_spool(backup)
    content = carrier.buckets.get("satu", stored_name(backup))
    carrier.buckets.delete("satu", stored_name(backup))
    carrier.carry()
    assert states(backup) == {"satu": MISSING}
    assert backup.proof_state is ProofState.FAILED
    assert "hilang" in backup.proof_message
    carrier.buckets.put("satu", stored_name(backup), content)
    carrier.carry()
    assert states(backup) == {"satu": STORED}
    assert (backup.proof_state, backup.proof_message) == (ProofState.UNPROVEN, "")


def test_a_rotten_copy_is_not_spread_to_another_store(carrier: Carrier, site: Site) -> None:
    carrier.buckets.add_store("satu")
    backup = carrier.backup(site)
    carrier.carry()
    carrier.clear_spool(backup)
    carrier.buckets.put("satu", stored_name(backup), b"x" * 1000)
    carrier.buckets.add_store("dua")
    carrier.carry()
    assert states(backup) == {"satu": DAMAGED, "dua": MISSING}
    assert stored_name(backup) not in carrier.buckets.names("dua")
    assert backup.proof_state is ProofState.FAILED


def test_an_emptied_store_is_not_taken_for_the_one_it_was(carrier: Carrier, site: Site) -> None:
    """As a folder whose disk is not mounted: nothing is written there, nothing given up."""
    carrier.buckets.add_store("satu")
    backup = carrier.backup(site)
    carrier.carry()
    carrier.clear_spool(backup)
    for name in carrier.buckets.names("satu"):
        carrier.buckets.delete("satu", name)
    run = carrier.carry()
    assert "bukan yang dahulu" in details(run)
    assert states(backup) == {"satu": STORED}
    assert stores.get_store("satu").failing_since is not None


def test_the_copies_of_a_server_that_left_are_looked_after_by_another(
    carrier: Carrier, site: Site
) -> None:
    carrier.buckets.add_store("satu")
    other = make_server()
    backup = carrier.backup(site)
    carrier.carry()
    carrier.clear_spool(backup)
    lost = carrier.backup(site)
    with transaction() as session:
        for one in (backup, lost):
            session.get_one(Backup, one.id).server_id = other.id
        servers.retire(session.get_one(Server, other.id))
        session.get_one(Backup, backup.id).expired_at = utc_now()
    assert states(lost) == {"satu": MISSING}
    assert lost.proof_state is ProofState.FAILED
    assert [run.targets[0].server_id for run in backup_runs.carry_on()] == [carrier.server.id]
    carrier.carry()
    assert states(backup) == {"satu": CopyState.DELETED}
    assert stored_name(backup) not in carrier.buckets.names("satu")


def test_a_store_that_keeps_all_fails_no_run_and_is_pruned_by_others(
    carrier: Carrier, site: Site
) -> None:
    carrier.buckets.add_store("satu")
    keeps = carrier.buckets.add_store("dua")
    assert not keeps.is_append_only
    old, older = carrier.backup(site), carrier.backup(site)
    carrier.carry()
    with transaction() as session:
        for backup in (old, older):
            session.get_one(Backup, backup.id).expired_at = utc_now()
    with carrier.buckets.forbidding_deletion("dua"):
        run = carrier.carry()
        assert run.targets[0].state is RunState.RUNNING, details(run)
        assert stores.get_store("dua").is_append_only
        assert states(old) == states(older) == {"satu": CopyState.DELETED, "dua": STORED}
        with transaction() as session:
            session.execute(update(BackupCopy).values(checked_at=utc_now() - timedelta(days=2)))
        carrier.carry()
        assert backup_runs.carry_on() == [], "the clock asks for what can be done"
    assert store_pruning.due_counts() == {keeps.id: 2}
    carrier.buckets.delete("dua", stored_name(old))
    carrier.carry()
    assert states(old)["dua"] is CopyState.DELETED, "as its own side has pruned it"
    assert [copy.backup for copy in store_pruning.due(stores.get_store("dua"))] == [older]
    pruner = store_pruning.Pruner("pemangkas", "rahasia lain")
    assert store_pruning.prune(stores.get_store("dua"), pruner, by=BY) == 1
    assert states(older)["dua"] is CopyState.DELETED
    assert carrier.buckets.names("dua") == {store_marks.MARKER, store_marks.TRIAL}


def test_a_store_that_keeps_all_is_noticed_when_it_is_added(carrier: Carrier) -> None:
    carrier.buckets.make("dua")
    with carrier.buckets.forbidding_deletion("dua"):
        assert carrier.buckets.add_store("dua").is_append_only


def test_what_is_brought_to_be_proven_leaves_room_for_the_villages(
    carrier: Carrier, site: Site
) -> None:
    carrier.buckets.add_store("satu")
    small, other = carrier.backup(site), carrier.backup(site)
    large, first = carrier.backup(site), carrier.backup(site)
    carrier.carry()
    with transaction() as session:
        for one in (large, first):
            manifest = {"database": {"bytes": 1 << 60}}
            session.get_one(Backup, one.id).manifest = manifest
    run = carrier.stage(first, small, large, other)
    assert len(carrier.arrived()) == 2
    assert run.options["backups"] == [first.id, small.id, other.id]
    assert list(run.options["arrived"]) == [str(small.id), str(other.id)]
    told = details(run)
    assert first.name in told
    assert "MB harus tetap kosong" in told
    assert large.name not in told
    later = db.session.query(Run).order_by(Run.id.desc()).first()
    assert later is not None
    assert (later.play, later.options) == ("prove", {"backups": [large.id]})


def test_nothing_is_left_of_what_could_not_be_brought(carrier: Carrier, site: Site) -> None:
    for name in ("satu", "dua"):
        carrier.buckets.add_store(name)
    rotten, gone = carrier.backup(site), carrier.backup(site)
    carrier.carry()
    for backup in (rotten, gone):
        carrier.clear_spool(backup)
    for name in ("satu", "dua"):
        carrier.buckets.put(name, stored_name(rotten), b"x" * 1000)
    carrier.buckets.delete("dua", stored_name(gone))
    carrier.buckets.put("satu", stored_name(gone), b"x" * 1000)
    run = carrier.stage(rotten, gone)
    assert run.options["arrived"] == {}
    assert carrier.arrived() == []
    assert states(rotten) == {"satu": DAMAGED, "dua": DAMAGED}
    assert states(gone) == {"satu": DAMAGED, "dua": MISSING}
    assert rotten.proof_state is gone.proof_state is ProofState.FAILED
