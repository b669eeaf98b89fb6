"""A backup is restored over a village by the commands people type, through queue and worker."""

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from siappakai.domain.codes import dotted
from siappakai.domain.states import RunState, SiteState
from siappakai.models import Run, Site, db, utc_now
from siappakai.services import backup_keys, backups, incoming, restorations, restores
from tests import factories
from tests.engine import INSTALLED_SECONDS, PARTS, Engine
from tests.integration.test_backup_engine import add_bucket, all_backups, bucket, copies_of
from tests.integration.test_moving import _call

pytestmark = [
    pytest.mark.integration,
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are restored as root"),
    pytest.mark.timeout(900),
]


class Restored:
    """A village of the engine that has a backup in a store, and lost something since."""

    def __init__(self, engine: Engine, site: Site, key: Path) -> None:
        self.engine = engine
        self.site_id = site.id
        self.code = site.village.code
        self.key = key
        self.database = f"{engine.fleet.layout.prefix}_opensid_{self.code}"
        self.home = Path(engine.fleet.layout.sites, f"opensid-{self.code}")

    @property
    def site(self) -> Site:
        db.session.commit()
        return db.session.get_one(Site, self.site_id, populate_existing=True)

    def name(self) -> str:
        ((name,),) = self.engine.fleet.query("SELECT nama_desa FROM config", self.database)
        return str(name)

    def traces(self) -> list[str]:
        schemas = [name for (name,) in self.engine.fleet.query("SHOW DATABASES")]
        left = [name for name in schemas if "_scratch_" in name or name[-4:] in {"_old", "_new"}]
        folders = [self.home / "aside", self.home / "maintenance"]
        scratch = Path(self.engine.fleet.layout.scratch).iterdir()
        return left + [str(path) for path in (*folders, *scratch) if path.exists()]

    def open(self) -> None:
        backup = restores.newest_of(self.site.village)
        restores.open_backup(backup, identity=self.key.read_text(), by=factories.BY)
        state = self.engine.settings.state
        subprocess.run(["chown", "-R", f"{self.engine.account}:", state], check=True)


@pytest.fixture
def restored(engine: Engine, tmp_path: Path) -> Iterator[Restored]:
    engine.start(*PARTS)
    (site,) = engine.villages(1)
    assert engine.settle(engine.install([site]), INSTALLED_SECONDS).state is RunState.SUCCEEDED
    private, _ = backup_keys.make_recovery_key(by=factories.BY)
    key = tmp_path / "key"
    key.write_text(private)
    with bucket() as server:
        add_bucket(server)
        (taking,) = backups.request_take(site_ids=[site.id], by=factories.BY)
        assert engine.settle(taking).state is RunState.SUCCEEDED, engine.told(taking)
        (taken,) = all_backups()
        engine.until(lambda: copies_of(taken)["ember"].value == "stored", 60)
        found = Restored(engine, site, key)
        engine.fleet.query("UPDATE config SET nama_desa = 'Salah'", found.database)
        yield found


def _told(state: Any) -> str:
    return json.dumps(state)[:2000]


def test_a_village_is_looked_at_restored_undone_and_let_go(restored: Restored) -> None:
    engine, code = restored.engine, restored.code
    restored.open()
    exit_code, look = _call("backup", "restore", code, "--look", "--follow")
    assert (exit_code, look["state"]) == (0, "succeeded"), _told(look)
    assert "config" in {one["table"] for one in look["tables"]}
    assert look["blocks"] == []
    assert restored.name() == "Salah"
    exit_code, done = _call("backup", "restore", code, "--yes", "--follow")
    assert (exit_code, done["state"]) == (0, "succeeded"), _told(done)
    assert done["tables"] == look["tables"], "what it changed is kept with it"
    site = restored.site
    assert restored.name() == site.village.name
    assert engine.answers(site)
    kept = restorations.kept_of(site)
    assert kept is not None
    assert (kept.run, kept.serving) == (done["run"], "new")
    engine.until(lambda: not any((engine.settings.state / "incoming").iterdir()))
    exit_code, _ = _call("backup", "undo", code, "--yes", "--follow")
    assert exit_code == 0
    assert restored.name() == "Salah"
    assert engine.answers(restored.site)
    (run,) = restorations.let_go(utc_now() + timedelta(days=8))
    assert engine.settle(run).state is RunState.SUCCEEDED, engine.told(run)
    assert restored.site.kept == {}
    assert restored.traces() == []


def test_many_are_restored_by_one_command_and_one_that_cannot_be_stops_none(
    restored: Restored,
) -> None:
    engine = restored.engine
    planned = factories.make_site(server=engine.server)
    codes = [dotted(restored.code), dotted(planned.village.code)]
    known = ("--count", "2", "--key-file", str(restored.key), "--follow")
    exit_code, told = _call("backup", "restore-many", *codes, *known)
    assert exit_code != 0, "one of them failed"
    assert {one["code"]: one["state"] for one in told["items"]} == {
        codes[0]: "succeeded",
        codes[1]: "failed",
    }, _told(told)
    assert restored.name() == restored.site.village.name
    assert engine.answers(restored.site)
    assert list(Path(engine.fleet.layout.scratch).iterdir()) == [], "nothing opened is left there"


def test_a_restore_whose_worker_is_killed_leaves_the_village_as_it_was(restored: Restored) -> None:
    engine = restored.engine
    restored.open()
    run = restorations.request(restored.site, scope="site", only_look=False, by=factories.BY)
    engine.until((restored.home / "aside").exists, INSTALLED_SECONDS)
    horse = engine.horse("worker-1")
    engine.kill(engine.pid("worker-1"))
    engine.kill(horse)
    ended = engine.settle(run, INSTALLED_SECONDS)
    site = restored.site
    kept = restorations.kept_of(site)
    # It may have come to its end on the server before it was ended there.
    if ended.state is RunState.SUCCEEDED:
        assert kept is not None
        assert restored.name() == site.village.name
    else:
        assert ended.state is RunState.FAILED, engine.told(ended)
        assert kept is None
        assert restored.name() == "Salah"
        assert restored.traces() == []
    assert site.state is SiteState.ACTIVE
    assert engine.answers(site)
    assert db.session.query(Run).filter(Run.play == "restore").count() == 1
    incoming.forget(site.village.code)
