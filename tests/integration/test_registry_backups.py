"""The registry's own backups: due each night, to every store, read back, opened by hand."""

import json
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from siappakai import worker
from siappakai.config import Settings
from siappakai.credentials import load_key_ring
from siappakai.domain.backups import CopyState
from siappakai.errors import ConflictError, RefusedError, SiapPakaiError
from siappakai.gateways.registry_copy import restore_registry, save_registry
from siappakai.gateways.s3 import S3Vault
from siappakai.models import RegistryCopy, Setting, Store, db, utc_now
from siappakai.models.migrating import upgrade_registry
from siappakai.models.transactions import transaction
from siappakai.services import (
    backup_keys,
    registry_backups,
    registry_copies,
    rotation,
    settings,
    store_marks,
    stores,
)
from tests.buckets import Buckets, buckets
from tests.databases import every_database
from tests.factories import BY, make_user

pytestmark = [pytest.mark.integration, pytest.mark.patient]


@pytest.fixture(scope="module")
def one_service() -> Iterator[Buckets]:
    with buckets() as found:
        yield found


@pytest.fixture
def service(one_service: Buckets) -> Iterator[Buckets]:
    yield one_service
    one_service.empty()


@pytest.fixture
def key(registry: Flask) -> str:
    """The recovery key; the hour at which a backup is due is far away."""
    here = utc_now().astimezone(ZoneInfo(settings.get(settings.TIMEZONE)))
    settings.put(settings.REGISTRY_BACKUP_HOUR, (here.hour + 12) % 24, by=BY)
    return backup_keys.make_recovery_key(by=BY)[0]


def move_away(store: Store, endpoint: str = "http://127.0.0.1:1") -> None:
    with transaction():
        store.place = {**store.place, "endpoint": endpoint}


def copies() -> list[tuple[str, CopyState]]:
    db.session.expire_all()
    return [(copy.store.name, copy.state) for copy in registry_backups.list_copies()]


@every_database
def test_it_is_in_every_store_and_opens_with_standard_tools(
    registry: Flask, service: Buckets, key: str, tmp_path: Path
) -> None:
    make_user("ketut")
    service.add_store("satu")
    service.add_store("dua")
    written = registry_backups.back_up(by=BY)
    assert [(one.store, one.problem) for one in written] == [("dua", None), ("satu", None)]
    assert sorted(copies()) == [("dua", CopyState.STORED), ("satu", CopyState.STORED)]
    newest = registry_backups.standing().newest
    assert newest is not None
    (tmp_path / "sealed").write_bytes(service.get("satu", f"registry/{newest.name}"))
    (tmp_path / "key").write_text(key)
    script = f"age -d -i {tmp_path}/key {tmp_path}/sealed | zstd -d | tar -x -C {tmp_path}"
    subprocess.run(["sh", "-c", script], check=True)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["sha256"] == registry_copies.sum_of(tmp_path / "registry")
    chosen: Settings = registry.extensions["siappakai.settings"]
    claim = load_key_ring(chosen.credentials_file).unseal(manifest["proof"])
    assert claim == f"{manifest['taken_at']} {manifest['sha256']}"
    assert b"ketut" in _plain(manifest["kind"], tmp_path / "registry")
    assert list(chosen.state.glob("registry-backup-*")) == []


def _plain(kind: str, dump: Path) -> bytes:
    if kind == "sqlite":
        with closing(sqlite3.connect(dump)) as database:
            return str(database.execute("SELECT username FROM users").fetchall()).encode()
    if kind == "postgresql":
        argv = ["pg_restore", "--file=-", str(dump)]
        return subprocess.run(argv, check=True, capture_output=True).stdout
    return dump.read_bytes()


def test_a_registry_comes_back_beside_an_extension_of_its_database(
    postgres_url: str, tmp_path: Path
) -> None:
    """Functions of an extension are not the registry's: nobody may drop them alone."""
    upgrade_registry(Settings(state=tmp_path, run_dir=tmp_path, database_url=postgres_url))
    engine = create_engine(postgres_url)
    with engine.begin() as database:
        database.execute(text("CREATE EXTENSION pg_trgm"))
        database.execute(text("CREATE AGGREGATE jumlah(int) (sfunc = int4pl, stype = int)"))
    save_registry(postgres_url, tmp_path / "copy")
    with engine.begin() as database:
        database.execute(text("DROP TABLE users CASCADE"))
    restore_registry(postgres_url, tmp_path / "copy")
    with engine.begin() as database:
        assert database.scalar(text("SELECT count(*) FROM users")) == 0
        assert database.scalar(text("SELECT similarity('desa', 'desa')")) == 1
    engine.dispose()


def test_it_is_due_once_a_night_caught_up_when_missed_and_for_new_stores(
    registry: Flask, service: Buckets, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the clock rings for is what a worker does; both are asked here in turn."""
    monkeypatch.setattr(worker, "_app", lambda: registry)
    service.add_store("satu")
    worker.back_up_registry()
    assert copies() == [("satu", CopyState.STORED)]
    now = utc_now()
    assert registry_backups.due_stores(now) == []
    assert not registry_backups.standing(now).is_late
    with transaction():
        (first,) = registry_backups.list_copies()
        first.taken_at -= timedelta(days=3)
    assert registry_backups.standing(now + timedelta(days=1)).is_late
    later = now + timedelta(minutes=11)
    registry_backups.carry_out(later)
    assert len(copies()) == 2, "once, however many nights were missed"
    assert registry_backups.due_stores(later) == []
    service.add_store("dua")
    assert [one.name for one in registry_backups.due_stores(later)] == ["dua"]
    registry_backups.carry_out(later + timedelta(minutes=11))
    assert len(copies()) == 3


def test_a_store_that_is_down_gets_a_newer_one_and_keeps_nobody_waiting(
    registry: Flask, service: Buckets, key: str
) -> None:
    service.add_store("satu")
    silent = service.add_store("dua")
    move_away(silent)
    written = {one.store: one.problem for one in registry_backups.back_up(by=BY)}
    assert written["satu"] is None
    assert "tidak terjangkau" in str(written["dua"])
    assert copies() == [("satu", CopyState.STORED)]
    assert stores.get_store("dua").failing_since is not None
    assert not registry_backups.standing().is_late
    registry_backups.carry_out()
    assert len(copies()) == 1, "it is not tried at once again"
    move_away(silent, service.endpoint)
    registry_backups.carry_out(utc_now() + timedelta(minutes=11))
    assert sorted(copies()) == [("dua", CopyState.STORED), ("satu", CopyState.STORED)]
    assert stores.get_store("dua").failing_since is None


def test_what_fails_everywhere_is_told_and_leaves_nothing(
    registry: Flask, service: Buckets, key: str
) -> None:
    move_away(service.add_store("satu"))
    with pytest.raises(SiapPakaiError, match="tidak terjangkau"):
        registry_backups.back_up(by=BY)
    registry_backups.carry_out(utc_now() + timedelta(minutes=11))
    found = registry_backups.standing(utc_now() + timedelta(days=2))
    assert found.is_late
    assert "tidak terjangkau" in found.failure
    assert copies() == []


def test_without_key_or_store_or_beside_another_it_is_refused(
    registry: Flask, service: Buckets
) -> None:
    with pytest.raises(RefusedError, match="kunci pemulihan"):
        registry_backups.back_up(by=BY)
    backup_keys.make_recovery_key(by=BY)
    with pytest.raises(RefusedError, match="penyimpanan"):
        registry_backups.request(by=BY)
    service.add_store("satu")
    with transaction() as session:
        busy = {"busy_at": utc_now().isoformat()}
        session.add(Setting(key="registry_backup", value=busy, updated_by="clock"))
    with pytest.raises(ConflictError, match="sedang"):
        registry_backups.back_up(by=BY)
    registry_backups.carry_out()
    assert copies() == []
    with transaction() as session:
        killed = {"busy_at": (utc_now() - timedelta(minutes=16)).isoformat()}
        session.merge(Setting(key="registry_backup", value=killed, updated_by="clock"))
    registry_backups.carry_out()
    assert copies() == [("satu", CopyState.STORED)]


def test_a_copy_that_comes_back_changed_counts_as_none(
    registry: Flask, service: Buckets, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.add_store("satu")
    as_it_is = S3Vault.read

    def changed(vault: S3Vault, name: str) -> Iterator[bytes]:
        return iter([b"another"]) if name.startswith("registry/") else as_it_is(vault, name)

    monkeypatch.setattr(S3Vault, "read", changed)
    with pytest.raises(RefusedError, match="rusak di jalan"):
        registry_backups.back_up(by=BY)
    assert copies() == []


def test_old_ones_are_let_go_by_their_own_rules(
    registry: Flask, service: Buckets, key: str
) -> None:
    with transaction():
        for name in settings.REGISTRY_KEEP:
            settings.put(name, 1 if name.endswith("daily") else 0, by=BY)
    service.add_store("satu")
    registry_backups.back_up(by=BY)
    (first,) = registry_backups.list_copies()
    with transaction():
        first.taken_at -= timedelta(days=2)
    registry_backups.back_up(by=BY)
    assert copies() == [("satu", CopyState.STORED)]
    assert db.session.get_one(RegistryCopy, first.id).state is CopyState.DELETED
    (left,) = registry_backups.list_copies()
    assert service.names("satu") - {store_marks.MARKER} == {f"registry/{left.name}"}


def test_keys_that_change_ask_for_a_newer_one(
    registry: Flask, service: Buckets, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "_SETTLE_SECONDS", 0)
    service.add_store("satu")
    registry_backups.back_up(by=BY)
    assert registry_backups.due_stores(utc_now()) == []
    time.sleep(1.1)  # backups tell seconds apart
    rotation.rotate_key(by=BY)
    assert [one.name for one in registry_backups.due_stores(utc_now())] == ["satu"]
    registry_backups.carry_out()
    assert registry_backups.due_stores(utc_now()) == []
    time.sleep(1.1)
    backup_keys.make_recovery_key(replaces=True, by=BY)
    assert [one.name for one in registry_backups.due_stores(utc_now())] == ["satu"]
