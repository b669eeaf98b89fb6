"""Many writers at once: SQLite makes them wait their turn, none is told "database is locked"."""

import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from siappakai.config import Settings
from siappakai.errors import ConflictError
from siappakai.models import AuditEntry, Setting, Village, db
from siappakai.models.app import open_registry
from siappakai.models.transactions import transaction
from siappakai.services import audit, villages
from tests.databases import every_database
from tests.factories import BY, make_regency

pytestmark = pytest.mark.integration

WRITERS = 6
# Each must load the program first, which costs seconds on a small machine.
PROCESSES = 3
DEEDS = 40


def _count_up(deeds: int) -> None:
    """Read, wait, write: a lost turn loses a count."""
    for _ in range(deeds):
        with transaction() as session:
            setting = session.get(Setting, "counter")
            assert setting is not None
            present = setting.value
            time.sleep(0.001)
            setting.value = present + 1
            audit.record("counter.up", "counter", by=BY, detail={"value": present + 1})


def _count_up_in_a_process(state: Path, url: str, start: Barrier) -> None:
    with open_registry(Settings(state=state, database_url=url)):
        start.wait()
        _count_up(DEEDS)


def _assert_all_counted(deeds: int) -> None:
    db.session.rollback()
    db.session.expire_all()
    setting = db.session.get(Setting, "counter")
    assert setting is not None
    assert setting.value == deeds
    assert db.session.scalar(select(func.count()).select_from(AuditEntry)) == deeds
    assert audit.verify().broken is None


@pytest.fixture
def counter(registry: Flask) -> Flask:
    with transaction() as session:
        session.add(Setting(key="counter", value=0))
    return registry


def test_processes_that_write_at_once_wait_for_each_other(counter: Flask, tmp_path: Path) -> None:
    url = counter.config["SQLALCHEMY_DATABASE_URI"]
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(PROCESSES, timeout=300)
    arguments = (tmp_path, url, start)
    writers = [
        spawn.Process(target=_count_up_in_a_process, args=arguments) for _ in range(PROCESSES)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * PROCESSES
    _assert_all_counted(PROCESSES * DEEDS)


def test_threads_that_write_at_once_wait_for_each_other(counter: Flask) -> None:
    def work(_: int) -> None:
        with counter.app_context():
            _count_up(DEEDS)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(WRITERS)))
    _assert_all_counted(WRITERS * DEEDS)


def test_readers_go_on_while_someone_writes(counter: Flask) -> None:
    seen: list[float] = []

    def read() -> None:
        with counter.app_context():
            began = time.monotonic()
            assert db.session.get(Setting, "counter") is not None
            seen.append(time.monotonic() - began)

    with transaction() as session:
        session.add(Setting(key="other", value=1))
        session.flush()
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(timeout=10)
    assert len(seen) == 1
    assert seen[0] < 5


@every_database
def test_a_village_registered_twice_at_once_exists_once(registry: Flask) -> None:
    make_regency()
    start = threading.Barrier(WRITERS)

    def register(_: int) -> str:
        with registry.app_context():
            start.wait()
            try:
                villages.register_village(
                    code="51.02.01.2001", name="Bajera", district_name="Selemadeg", by=BY
                )
            except ConflictError:
                return "refused"
            return "registered"

    with ThreadPoolExecutor(WRITERS) as pool:
        outcomes = sorted(pool.map(register, range(WRITERS)))
    assert outcomes == ["refused"] * (WRITERS - 1) + ["registered"]
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(Village)) == 1
    assert audit.list_entries(action="village.register").total == 1
