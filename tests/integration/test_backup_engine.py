"""Backups through the run engine: taken, carried to two stores, proven; stores that fail."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import select

from siappakai.credentials import new_age_pair
from siappakai.domain.backups import CopyState, ProofState
from siappakai.domain.states import RunState, ServerState
from siappakai.domain.stores import S3Place
from siappakai.errors import ConflictError, RefusedError
from siappakai.models import Backup, Run, Server, Site, db
from siappakai.models.transactions import transaction
from siappakai.services import (
    backup_keys,
    backups,
    enrolment,
    keys,
    restores,
    sites,
    stores,
)
from tests import factories
from tests.engine import Engine, set_parallelism
from tests.sshd import Sshd, private_sshd, temporary_account

pytestmark = [
    pytest.mark.integration,
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are backed up as root"),
    pytest.mark.timeout(600),
]


@contextmanager
def bucket() -> Iterator[ThreadedMotoServer]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{server.get_host_and_port()[1]}",
            region_name="us-east-1",
            aws_access_key_id="kunci",
            aws_secret_access_key="rahasia",
        ).create_bucket(Bucket="cadangan")
        yield server
    finally:
        server.stop()


@pytest.fixture
def folder() -> Iterator[Sshd]:
    with temporary_account() as account, private_sshd(account, passwords=False) as sshd:
        yield sshd


def add_folder(sshd: Sshd) -> None:
    authorized = sshd.home / ".ssh/authorized_keys"
    authorized.parent.mkdir(mode=0o700)
    authorized.write_text(keys.public_key() + "\n")
    for path in (authorized.parent, authorized):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.chown(path, sshd.home.stat().st_uid, sshd.home.stat().st_gid)
    shown = enrolment.inspect_host("127.0.0.1", sshd.port)
    stores.add_sftp(
        name="folder",
        address="127.0.0.1",
        port=sshd.port,
        user=sshd.user,
        folder="cadangan",
        fingerprint=shown.fingerprint,
        by=factories.BY,
    )


def add_bucket(server: ThreadedMotoServer) -> None:
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    place = S3Place(endpoint, "cadangan", "", "", "kunci")
    stores.add_s3(name="ember", place=place, secret="rahasia", by=factories.BY)


def newest(play: str) -> Run | None:
    db.session.commit()
    return db.session.scalar(select(Run).where(Run.play == play).order_by(Run.id.desc()))


def copies_of(backup: Backup) -> dict[str, CopyState]:
    db.session.commit()
    db.session.expire_all()
    return {copy.store.name: copy.state for copy in backup.copies}


def all_backups() -> list[Backup]:
    db.session.commit()
    db.session.expire_all()
    return list(db.session.scalars(select(Backup).order_by(Backup.id)))


def test_villages_are_backed_up_to_two_stores_and_proven(engine: Engine, folder: Sshd) -> None:
    engine.start("redis", "clock-worker", "worker-1", "clock")
    planned = engine.villages(2)
    set_parallelism(engine.server, 2)
    engine.complete(engine.settle(engine.install(planned)), planned)
    key, _ = backup_keys.make_recovery_key(by=factories.BY)
    run = engine.settle(backup_keys.appoint_prover(engine.server.id, by=factories.BY))
    assert run.state is RunState.SUCCEEDED, engine.told(run)
    with bucket() as server:
        add_folder(folder)
        add_bucket(server)
        ids = [site.id for site in planned]
        (taking,) = backups.request_take(site_ids=ids, by=factories.BY)
        taking = engine.settle(taking)
        assert taking.state is RunState.SUCCEEDED, engine.told(taking)
        taken = all_backups()
        assert [one.site_id for one in taken] == ids
        both = {"folder": CopyState.STORED, "ember": CopyState.STORED}
        engine.until(lambda: all(copies_of(one) == both for one in taken), 60)
        engine.until(lambda: not any(one.is_spooled for one in all_backups()), 30)
        _check_at_rest(engine, folder, taken)
        (proving,) = backups.request_prove(backup_ids=backups.unproven(), by=factories.BY)
        proving = engine.settle(proving)
        assert proving.state is RunState.SUCCEEDED, engine.told(proving)
    for one in all_backups():
        assert one.proof_state is ProofState.PROVEN
        assert one.proof["tables"] > 100
    assert backups.unproven() == []
    assert db.session.get_one(Server, engine.server.id).state is ServerState.READY
    _check_a_store_that_changes_one_byte(engine, folder, taken)
    _check_a_store_that_is_down(engine, folder, planned)
    _check_a_lost_village_comes_back(engine, folder, planned[0], key)


def _check_at_rest(engine: Engine, folder: Sshd, taken: list[Backup]) -> None:
    assert list(Path(engine.fleet.layout.spool).iterdir()) == []
    stored = sorted(path.name for path in (folder.home / "cadangan").glob("opensid-*/*.age"))
    assert stored == sorted(one.name for one in taken)
    held = list(engine.settings.state.rglob("*.age"))
    assert held == [], "backups rest on the worker"


def _check_a_store_that_changes_one_byte(engine: Engine, folder: Sshd, taken: list[Backup]) -> None:
    """Only the folder is left; what it gives back is not what was taken."""
    path = next((folder.home / "cadangan").rglob(taken[0].name))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    ids = [one.id for one in taken]
    (proving,) = backups.request_prove(backup_ids=ids, by=factories.BY)
    ended = engine.settle(proving)
    assert ended.state is RunState.FAILED
    assert "folder mengembalikan" in ended.targets[0].message
    first, second = all_backups()
    assert copies_of(first) == {"folder": CopyState.DAMAGED, "ember": CopyState.STORED}
    assert copies_of(second)["folder"] is CopyState.STORED
    assert first.proof_state is ProofState.PROVEN, "the other store may well have it"
    assert second.proven_at > first.proven_at


def _check_a_store_that_is_down(engine: Engine, folder: Sshd, planned: list[Site]) -> None:
    """It delays, loses nothing, and is noted; the other store has it meanwhile."""
    (taking,) = backups.request_take(site_ids=[planned[0].id], by=factories.BY)
    assert engine.settle(taking).state is RunState.SUCCEEDED
    newer = all_backups()[-1]
    engine.until(lambda: copies_of(newer)["folder"] is CopyState.STORED, 60)
    copying = newest("copy")
    assert copying is not None
    copying = engine.settle(copying)
    assert copying.state is RunState.FAILED
    assert copies_of(newer)["ember"] is CopyState.WAITING
    assert all_backups()[-1].is_spooled
    assert stores.get_store("ember").failing_since is not None
    assert stores.get_store("folder").failing_since is None
    with bucket() as server:
        with transaction():
            port = server.get_host_and_port()[1]
            ember = stores.get_store("ember")
            ember.place = {**ember.place, "endpoint": f"http://127.0.0.1:{port}"}
        again = engine.settle(backups.request_copy(engine.server, by=factories.BY))
        assert again.state is RunState.SUCCEEDED, engine.told(again)
    assert copies_of(newer)["ember"] is CopyState.STORED
    assert stores.get_store("ember").failing_since is None
    assert not all_backups()[-1].is_spooled


def _check_a_lost_village_comes_back(engine: Engine, folder: Sshd, site: Site, key: str) -> None:
    """Its database was dropped and its folder deleted by hand; one store and the key are left."""
    layout, code = engine.fleet.layout, site.village.code
    database = f"{layout.prefix}_opensid_{code}"
    home = Path(layout.sites, f"opensid-{code}")
    app_key = (home / "desa/app_key").read_text()
    engine.fleet.query("UPDATE config SET nama_desa = 'Sesudah cadangan'", database)
    engine.fleet.query(f"DROP DATABASE `{database}`")
    shutil.rmtree(home)
    with pytest.raises(ConflictError):
        restores.request_restore(_newest(site), identity=key, server=None, domain="", by="x")
    (removing,) = sites.request_remove(site_ids=[site.id], confirmed_count=1, by=factories.BY)
    assert engine.settle(removing).state is RunState.SUCCEEDED, engine.told(removing)
    db.session.expire_all()
    stranger, _ = new_age_pair()
    with pytest.raises(RefusedError, match="tidak membuka"):
        restores.request_restore(
            _newest(site), identity=stranger, server=engine.server, domain="", by="x"
        )
    run = restores.request_restore(
        _newest(site), identity=f"# cetakan\n{key}\n", server=engine.server, domain="", by="x"
    )
    assert key not in str(run.options)
    subprocess.run(["chown", "-R", f"{engine.account}:", engine.settings.state], check=True)
    run = engine.settle(run)
    assert run.state is RunState.SUCCEEDED, engine.told(run)
    assert engine.answers(db.session.get_one(Site, site.id, populate_existing=True))
    assert (home / "desa/app_key").read_text() == app_key
    names = engine.fleet.query("SELECT nama_desa FROM config", database)
    assert names == [(site.village.name,)]
    assert list((engine.settings.state / "incoming").glob("*")) == []


def _newest(site: Site) -> Backup:
    db.session.commit()
    db.session.expire_all()
    return restores.newest_of(db.session.get_one(Site, site.id).village)
