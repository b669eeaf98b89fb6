"""A lost panel comes back from kit, recovery key and one store, or it is said why not."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from siappakai.config import Settings
from siappakai.credentials import new_age_pair, read_keys
from siappakai.domain.registry_backups import Manifest
from siappakai.domain.states import RunState
from siappakai.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
    SiapPakaiError,
    UnreachableError,
)
from siappakai.gateways.sealing import seal
from siappakai.gateways.systemd import Systemd
from siappakai.models import LoginSession, Run, RunLock, User, db, utc_now
from siappakai.models.app import open_registry
from siappakai.models.transactions import transaction
from siappakai.services import (
    audit,
    backup_keys,
    leases,
    recovery,
    recovery_aftermath,
    recovery_kits,
    registry_backups,
    registry_copies,
    rotation,
    sessions,
    settings,
    stores,
)
from siappakai.services.recovery import Recovered
from siappakai.ssh import generate_key
from tests.buckets import Buckets, buckets
from tests.factories import BY, make_run, make_server, make_site, make_user

pytestmark = [pytest.mark.integration, pytest.mark.patient]
HOST_KEY = generate_key("x")[1]
DAY = timedelta(days=1)


class Panel:
    """A panel with something to lose, its kit and its recovery key."""

    def __init__(self, registry: Flask, service: Buckets) -> None:
        self.settings: Settings = registry.extensions["siappakai.settings"]
        self.service = service
        self.site = make_site(
            server=make_server("server1", address="127.0.0.1", port=1, host_key=HOST_KEY)
        )
        self.ketut = make_user("ketut")
        service.add_store("satu")
        service.add_store("dua")
        self.key, _ = backup_keys.make_recovery_key(by=BY)
        self.kit = recovery_kits.make(by=BY).text

    def back_up(self) -> str:
        registry_backups.back_up(by=BY)
        newest = registry_backups.standing().newest
        assert newest is not None
        return f"registry/{newest.name}"


@pytest.fixture(scope="module")
def service() -> Iterator[Buckets]:
    with buckets() as found:
        yield found


@pytest.fixture
def panel(registry: Flask, service: Buckets) -> Iterator[Panel]:
    yield Panel(registry, service)
    service.empty()


@pytest.fixture
def bare(tmp_path: Path) -> Settings:
    """A machine on which nothing is but the program."""
    (tmp_path / "bare").mkdir()
    return Settings(state=tmp_path / "bare", run_dir=tmp_path / "run2", ssh_timeout_seconds=2)


def bring_back(bare: Settings, panel: Panel, **given: Any) -> Recovered:
    known = {"kit": panel.kit, "identity": f"# tercetak\n{panel.key}\n", "by": BY}
    return recovery.recover(bare, systemd=Systemd(Path("/nowhere")), **{**known, **given})


@pytest.mark.parametrize(
    ("registry", "empty"),
    [
        ("sqlite", ""),
        ("postgresql", "postgres_url"),
        pytest.param("mariadb", "second_mariadb_url", marks=pytest.mark.soak),
    ],
    indirect=["registry"],
)
def test_it_comes_back_and_nothing_in_it_goes_on_by_itself(
    panel: Panel, bare: Settings, empty: str, request: pytest.FixtureRequest
) -> None:
    if empty:
        bare = Settings(state=bare.state, database_url=request.getfixturevalue(empty))
    running = make_run(targets=[panel.site], state=RunState.RUNNING, token=7)
    with transaction() as session:
        session.add(RunLock(key=f"site:{panel.site.id}", run_id=running.id))
        running.lease_until = utc_now() + DAY
    queued = make_run("remove", targets=[panel.site])
    sessions.begin(panel.ketut.id, address="127.0.0.1", browser="x")
    panel.back_up()
    done = bring_back(bare, panel)
    assert (done.before, done.unusable) == (None, "")
    assert (done.ended.lost, done.ended.cancelled) == ([running.id], [queued.id])
    assert done.regained.villages == 1
    (reached,) = done.regained.servers
    assert "server1" in reached.server
    assert reached.problem, "nobody listens there"
    assert read_keys(bare.credentials_file) == read_keys(panel.settings.credentials_file)
    assert bare.credentials_file.stat().st_mode & 0o777 == 0o600
    assert not list(bare.state.glob(".recover-*"))
    lost, cancelled, ketut = running.id, queued.id, panel.ketut.id
    with open_registry(bare):
        assert db.session.get_one(User, ketut).username == "ketut"
        assert db.session.get_one(Run, cancelled).state is RunState.CANCELLED
        assert db.session.get_one(Run, lost).targets[0].state is RunState.LOST
        assert db.session.scalars(select(LoginSession)).all() == []
        assert settings.is_draining()
        assert audit.verify().broken is None
        lease = leases.claim_lost(lost)
        assert lease is not None, "the clock settles it by looking at its site"
        assert lease.token > 7, "servers refuse what is older than what they have seen"


def test_what_is_there_is_copied_first_and_only_replaced_when_told(
    panel: Panel, bare: Settings
) -> None:
    panel.back_up()
    bring_back(bare, panel)
    with open_registry(bare):
        make_user("wayan")
    before = (bare.state / "registry.sqlite3").read_bytes()
    with pytest.raises(ConflictError, match="sudah ada registri"):
        bring_back(bare, panel)
    assert (bare.state / "registry.sqlite3").read_bytes() == before
    done = bring_back(bare, panel, replaces=True)
    assert done.before is not None
    assert done.before.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in done.before.iterdir()) == ["credentials.key", "registry"]
    kept = Settings(state=bare.state, database_url=f"sqlite:///{done.before}/registry")
    with open_registry(kept):
        assert "wayan" in db.session.scalars(select(User.username)).all()
    with open_registry(bare):
        assert db.session.scalars(select(User.username)).all() == ["ketut"]


def _other_key(panel: Panel) -> dict[str, Any]:
    return {"identity": new_age_pair()[0]}


def _no_key(panel: Panel) -> dict[str, Any]:
    return {"identity": "rahasia"}


def _no_kit(panel: Panel) -> dict[str, Any]:
    return {"kit": panel.kit.split("-----BEGIN")[0]}


def _torn_kit(panel: Panel) -> dict[str, Any]:
    middle = len(panel.kit) - 900
    return {"kit": panel.kit[:middle] + "AAAA" + panel.kit[middle + 4 :]}


def _silent_stores(panel: Panel) -> dict[str, Any]:
    with transaction():
        for store in stores.list_stores():
            store.place = {**store.place, "endpoint": "http://127.0.0.1:1"}
    return {"kit": recovery_kits.make(by=BY).text}


def _one_silent_store(panel: Panel) -> dict[str, Any]:
    with transaction():
        silent = stores.list_stores()[0]
        silent.place = {**silent.place, "endpoint": "http://127.0.0.1:1"}
    return {"kit": recovery_kits.make(by=BY).text}


def _renamed(panel: Panel) -> dict[str, Any]:
    """An old backup, genuine, under the name of a newer one."""
    name = panel.back_up()
    later = f"registry/registry-{utc_now() + timedelta(seconds=9):%Y%m%dT%H%M%S}Z-00000000.age"
    panel.service.put("dua", later, panel.service.get("dua", name))
    return {}


def _emptied_stores(panel: Panel) -> dict[str, Any]:
    for bucket in ("satu", "dua"):
        for name in panel.service.names(bucket):
            panel.service.delete(bucket, name)
    return {}


def _damaged(panel: Panel) -> dict[str, Any]:
    name = panel.back_up()
    for bucket in ("satu", "dua"):
        content = bytearray(panel.service.get(bucket, name))
        content[len(content) // 2] ^= 1
        panel.service.put(bucket, name, bytes(content))
    return {}


def _cut(panel: Panel) -> dict[str, Any]:
    name = panel.back_up()
    for bucket in ("satu", "dua"):
        panel.service.put(bucket, name, panel.service.get(bucket, name)[:-40])
    return {}


def _older_kit(panel: Panel) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rotation, "_SETTLE_SECONDS", 0)
        rotation.rotate_key(by=BY)
    panel.back_up()
    return {}


def _forged(panel: Panel) -> dict[str, Any]:
    """Whoever knows the public key, as every server does, can seal a registry of their own."""
    folder = panel.settings.state
    (folder / "dump").write_bytes(b"anything")
    digest = registry_copies.sum_of(folder / "dump")
    now = utc_now().isoformat()
    manifest = Manifest("sqlite", "0.1.0", "0001", now, 8, digest, "gAAAA")
    name = f"registry-{utc_now() + timedelta(seconds=5):%Y%m%dT%H%M%S}Z-00000000.age"
    recipient = settings.get(settings.RECOVERY_RECIPIENT)
    files = {"manifest.json": manifest.told(), "registry": folder / "dump"}
    seal(files, recipient, folder / name)
    panel.service.put("dua", f"registry/{name}", (folder / name).read_bytes())
    return {}


Break = Callable[[Panel], dict[str, Any]]


@pytest.mark.parametrize(
    ("broken", "error", "told"),
    [
        (_other_key, RefusedError, "tidak membuka kit"),
        pytest.param(_no_key, InvalidInputError, "bukan kunci pemulihan", marks=pytest.mark.soak),
        pytest.param(_no_kit, InvalidInputError, "bukan kit", marks=pytest.mark.soak),
        pytest.param(_torn_kit, RefusedError, "kitnya rusak", marks=pytest.mark.soak),
        (_silent_stores, UnreachableError, "Tidak satu pun penyimpanan terjangkau"),
        (_one_silent_store, UnreachableError, "terbaru yang terlihat"),
        (_renamed, RefusedError, "bukan saat yang disebut namanya"),
        pytest.param(
            _emptied_stores, NotFoundError, "Tidak ada cadangan registri", marks=pytest.mark.soak
        ),
        (_damaged, RefusedError, "rusak"),
        pytest.param(_cut, RefusedError, "rusak", marks=pytest.mark.soak),
        (_older_kit, RefusedError, "kunci induk di kit"),
        (_forged, RefusedError, "kunci induk di kit"),
    ],
)
def test_what_cannot_be_is_named_and_changes_nothing(
    panel: Panel, bare: Settings, broken: Break, error: type[SiapPakaiError], told: str
) -> None:
    panel.back_up()
    given = broken(panel)
    with pytest.raises(error, match=told):
        bring_back(bare, panel, **given)
    assert list(bare.state.iterdir()) == []


def test_what_answers_is_enough_when_told_so(panel: Panel, bare: Settings) -> None:
    panel.back_up()
    done = bring_back(bare, panel, **_one_silent_store(panel), takes_older=True)
    assert done.regained.villages == 1
    assert "tidak" in done.unusable


@pytest.mark.soak
def test_a_damaged_copy_is_passed_over_for_the_other_stores_or_an_older_one(
    panel: Panel, bare: Settings
) -> None:
    older = panel.back_up()
    with transaction():
        for copy in registry_backups.list_copies():
            copy.taken_at -= 2 * DAY  # or the rules let it go: one a day is kept
    time.sleep(1.1)  # names tell seconds apart
    newest = panel.back_up()
    panel.service.put("satu", newest, b"age-encryption.org/v1\nsomething else")
    done = bring_back(bare, panel)
    assert f"registry/{done.backup}" == newest
    assert "satu" in done.unusable or done.store == "dua"
    panel.service.put("dua", newest, b"")
    with pytest.raises(SiapPakaiError, match="--older"):
        bring_back(bare, panel, replaces=True)
    done = bring_back(bare, panel, replaces=True, takes_older=True)
    assert f"registry/{done.backup}" == older
    assert newest.removeprefix("registry/") in done.unusable


def test_what_fails_in_the_end_is_taken_back(
    panel: Panel, bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.back_up()

    def fail(*_: object, **__: object) -> None:
        raise SiapPakaiError("tersandung")

    with monkeypatch.context() as patched:
        patched.setattr(recovery_aftermath, "settle", fail)
        with pytest.raises(SiapPakaiError, match="tersandung"):
            bring_back(bare, panel)
        assert list(bare.state.iterdir()) == []
    bring_back(bare, panel)
    with open_registry(bare):
        make_user("wayan")
    ring = bare.credentials_file.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(recovery_aftermath, "settle", fail)
        with pytest.raises(SiapPakaiError, match="tersandung"):
            bring_back(bare, panel, replaces=True)
    assert bare.credentials_file.read_bytes() == ring
    with open_registry(bare):
        assert "wayan" in db.session.scalars(select(User.username)).all()


def test_a_machine_that_does_not_fit_is_refused(
    panel: Panel, bare: Settings, postgres_url: str, tmp_path: Path
) -> None:
    panel.back_up()
    other = Settings(state=bare.state, database_url=postgres_url)
    with pytest.raises(RefusedError, match="dari registri sqlite"):
        bring_back(other, panel)
    with pytest.raises(RefusedError, match="belum ada"):
        bring_back(Settings(state=tmp_path / "none"), panel)
    gone = Settings(state=bare.state, database_url="postgresql+psycopg://x@127.0.0.1:1/y")
    with pytest.raises(SiapPakaiError, match="tidak dapat dipakai"):
        bring_back(gone, panel)
    assert list(bare.state.iterdir()) == []
