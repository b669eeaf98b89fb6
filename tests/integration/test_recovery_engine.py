"""The panel's machine is lost, the village on it too: kit, recovery key and a store are enough."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from siappakai.config import Settings
from siappakai.domain.backups import CopyState
from siappakai.domain.states import RunState
from siappakai.models import Site, db
from siappakai.models.app import registry_app
from siappakai.services import (
    backup_keys,
    backups,
    enrolment,
    keys,
    recovery_kits,
    registry_backups,
    restores,
    settings,
    sites,
    stores,
)
from tests import factories
from tests.engine import Engine, pin_release
from tests.sshd import Sshd, private_sshd, temporary_account

pytestmark = [
    pytest.mark.integration,
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are backed up as root"),
    pytest.mark.timeout(600),
]
PARTS = ("redis", "settler", "clock-worker", "worker-1", "clock")


@dataclass(frozen=True)
class Kept:
    """What a person has when the machine is gone."""

    kit: str
    key: str


@pytest.fixture
def folder() -> Iterator[Sshd]:
    with temporary_account() as account, private_sshd(account, passwords=False) as sshd:
        yield sshd


def test_a_lost_panel_and_its_village_come_back(
    engine: Engine, folder: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.start(*PARTS)
    (site,) = engine.villages(1)
    engine.complete(engine.settle(engine.install([site])), [site])
    kept = _prepared(engine, folder, site)
    code, site_id = site.village.code, site.id
    database = f"{engine.fleet.layout.prefix}_opensid_{code}"
    home = Path(engine.fleet.layout.sites, f"opensid-{code}")
    app_key = (home / "desa/app_key").read_text()
    _lose(engine, database, home)
    fresh = _recovered(engine, kept, monkeypatch)
    with registry_app(fresh).app_context():
        server = db.session.get_one(Site, site_id).server
        regained = Engine(fresh, engine.account, engine.fleet, server)
        pin_release(engine.fleet, fresh)
        try:
            regained.start(*PARTS)
            _bring_back(regained, kept, site_id)
        finally:
            regained.stop()
            db.session.remove()
            db.engine.dispose()
    assert (home / "desa/app_key").read_text() == app_key
    assert engine.fleet.query("SELECT nama_desa FROM config", database) == [("Sebelum hilang",)]


def _prepared(engine: Engine, folder: Sshd, site: Site) -> Kept:
    """Back up the village; the clock backs up the registry by itself."""
    code = site.village.code
    database = f"{engine.fleet.layout.prefix}_opensid_{code}"
    engine.fleet.query("UPDATE config SET nama_desa = 'Sebelum hilang'", database)
    key, _ = backup_keys.make_recovery_key(by=factories.BY)
    _add_folder(folder)
    (taking,) = backups.request_take(site_ids=[site.id], by=factories.BY)
    assert engine.settle(taking).state is RunState.SUCCEEDED, engine.told(taking)
    engine.until(lambda: _is_stored(site), 60)
    engine.until(lambda: _copies() > 0, 60)  # the clock asked for it by itself
    registry_backups.request(by=factories.BY)
    engine.until(lambda: _is_newer(site), 60)
    kit = recovery_kits.make(by=factories.BY).text
    return Kept(kit, key)


def _add_folder(sshd: Sshd) -> None:
    authorized = sshd.home / ".ssh/authorized_keys"
    authorized.parent.mkdir(mode=0o700)
    authorized.write_text(keys.public_key() + "\n")
    authorized.chmod(0o600)
    for path in (authorized.parent, authorized):
        os.chown(path, sshd.home.stat().st_uid, sshd.home.stat().st_gid)
    shown = enrolment.inspect_host("127.0.0.1", sshd.port)
    stores.add_sftp(
        name="gudang",
        address="127.0.0.1",
        port=sshd.port,
        user=sshd.user,
        folder="cadangan",
        fingerprint=shown.fingerprint,
        by=factories.BY,
    )


def _is_stored(site: Site) -> bool:
    db.session.commit()
    db.session.expire_all()
    found = backups.list_backups(site_id=site.id).items
    return any(copy.state is CopyState.STORED for one in found for copy in one.copies)


def _copies() -> int:
    db.session.commit()
    return len(registry_backups.list_copies())


def _is_newer(site: Site) -> bool:
    """Tell whether the registry's newest backup was taken after the village's."""
    db.session.commit()
    newest = registry_backups.standing().newest
    (backup,) = backups.list_backups(site_id=site.id).items
    return newest is not None and newest.checked_at > backup.copies[0].checked_at


def _lose(engine: Engine, database: str, home: Path) -> None:
    """The disk is gone: the panel's state, the village's folder and its database."""
    engine.stop()
    db.session.remove()
    db.engine.dispose()
    shutil.rmtree(engine.settings.state)
    shutil.rmtree(home)
    engine.fleet.query(f"DROP DATABASE `{database}`")


def _recovered(engine: Engine, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Give the command on a machine with an empty state folder; return its settings."""
    state = engine.settings.state.with_name("regained")
    state.mkdir()
    shutil.chown(state, engine.account, engine.account)
    monkeypatch.setenv("SIAPPAKAI_STATE", str(state))
    monkeypatch.setenv("HOME", str(state))
    kit = engine.settings.run_dir.with_name("kit.txt")
    kit.write_text(kept.kit)
    argv = [Path(sys.executable).parent / "siappakai", "recover", f"--kit={kit}", "--key-file=-"]
    done = subprocess.run(argv, input=kept.key, capture_output=True, text=True, check=False)
    # 1: the village's server was this very machine, which is told.
    assert done.returncode == 1, done.stderr
    assert "gudang" in done.stdout
    assert "drain off" in done.stderr
    assert {path.owner() for path in state.iterdir()} == {engine.account}
    return Settings()


def _bring_back(engine: Engine, kept: Kept, site_id: int) -> None:
    settings.set_drain(drain=False, by=factories.BY)
    (removing,) = sites.request_remove(site_ids=[site_id], confirmed_count=1, by=factories.BY)
    removing = engine.settle(removing)
    assert removing.state is RunState.SUCCEEDED, engine.told(removing)
    db.session.expire_all()
    site = db.session.get_one(Site, site_id)
    run = restores.request_restore(
        restores.newest_of(site.village),
        identity=kept.key,
        server=engine.server,
        domain="",
        by=factories.BY,
    )
    subprocess.run(["chown", "-R", f"{engine.account}:", engine.settings.state], check=True)
    run = engine.settle(run)
    assert run.state is RunState.SUCCEEDED, engine.told(run)
    assert engine.answers(db.session.get_one(Site, site_id, populate_existing=True))
