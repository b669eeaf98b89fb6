"""kill -9 in the middle of taking a backup and of carrying it: nothing is lost, nothing is left."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from siappakai.domain.backups import CopyState
from siappakai.domain.states import RunState
from siappakai.models import Backup, Run, Site, db
from siappakai.services import backup_keys, backups, retries
from tests import factories
from tests.engine import Engine
from tests.integration.test_backup_engine import add_folder, all_backups, copies_of, newest
from tests.sshd import Sshd, private_sshd, temporary_account

pytestmark = [
    pytest.mark.integration,
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are backed up as root"),
    pytest.mark.timeout(600),
]
UPLOADS = 150 << 20


@pytest.fixture
def folder() -> Iterator[Sshd]:
    with temporary_account() as account, private_sshd(account, passwords=False) as sshd:
        yield sshd


def test_a_worker_killed_while_taking_or_carrying_loses_nothing(
    engine: Engine, folder: Sshd
) -> None:
    engine.start("redis", "settler", "clock-worker", "worker-1", "clock")
    planned = engine.villages(1)
    engine.complete(engine.settle(engine.install(planned)), planned)
    backup_keys.make_recovery_key(by=factories.BY)
    add_folder(folder)
    _fill(engine, planned[0])
    try:
        _killed_while_taking(engine, planned[0])
        _killed_while_carrying(engine, folder)
    finally:
        # What the killed take went on to seal is known to nobody, and goes after a day.
        for path in Path(engine.fleet.layout.spool).iterdir():
            path.unlink()


def _fill(engine: Engine, site: Site) -> None:
    home = Path(engine.fleet.layout.sites, f"opensid-{site.village.code}")
    with (home / "desa/upload/besar.bin").open("wb") as file:
        for _ in range(UPLOADS >> 20):
            file.write(os.urandom(1 << 20))


def _killed_while_taking(engine: Engine, site: Site) -> None:
    spool, scratch = Path(engine.fleet.layout.spool), Path(engine.fleet.layout.scratch)
    (run,) = backups.request_take(site_ids=[site.id], by=factories.BY)
    engine.until(lambda: _bytes_in(spool, "*.partial") > 5 << 20)
    engine.kill(engine.horse("worker-1"))
    ended = engine.settle(run)
    assert ended.state is RunState.FAILED, engine.told(ended)
    assert engine.answers(site), "the site goes on serving"
    assert all_backups() == [], "half a backup is none"
    (again,) = retries.retry_failed(ended.id, by=factories.BY)
    again = engine.settle(again)
    assert again.state is RunState.SUCCEEDED, engine.told(again)
    assert list(spool.glob("*.partial")) == []
    assert [path.name for path in scratch.iterdir() if path.name.startswith("backup-")] == []


def _killed_while_carrying(engine: Engine, folder: Sshd) -> None:
    store = folder.home / "cadangan"
    (backup,) = all_backups()
    engine.until(lambda: _bytes_in(store, "*.partial") > 5 << 20)
    engine.kill(engine.horse("worker-1"))
    assert copies_of(backup) == {"folder": CopyState.WAITING}
    assert _is_spooled(backup)
    arrived = _bytes_in(store, "*.partial")
    cut = newest("copy")
    assert cut is not None
    assert engine.settle(cut).state is not RunState.SUCCEEDED
    assert _bytes_in(store, "*.partial") >= arrived, "what had arrived stays"
    again: Run = backups.request_copy(engine.server, by=factories.BY)
    again = engine.settle(again, 240)
    assert again.state is RunState.SUCCEEDED, engine.told(again)
    assert copies_of(backup) == {"folder": CopyState.STORED}
    found = list(store.glob("opensid-*/*"))
    assert [one.name for one in found] == [backup.name]
    (path,) = found
    with path.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == backup.sha256
    assert not _is_spooled(backup)


def _bytes_in(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern))


def _is_spooled(backup: Backup) -> bool:
    db.session.commit()
    return db.session.get_one(Backup, backup.id, populate_existing=True).is_spooled
