"""SQLite lets one write at a time: a recorder waits for its turn and loses nothing."""

import sqlite3
import threading
from typing import Any

import pytest
from sqlalchemy import event

from siappakai.models import db
from siappakai.services import leases, runs
from siappakai.services.leases import Tenure
from siappakai.services.recorder import Recorder
from tests.factories import make_run

pytestmark = pytest.mark.usefixtures("registry")


@pytest.mark.patient
def test_a_registry_busy_for_a_moment_costs_nothing() -> None:
    run = make_run()
    lease = leases.claim(run.id)
    assert lease is not None
    recorder = Recorder(run, Tenure(lease))
    db.session.remove()
    event.listen(db.engine, "checkout", impatient)
    other = sqlite3.connect(str(db.engine.url.database), check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.5, other.rollback)
    release.start()
    recorder.on_event({"event": "verbose", "stdout": "satu baris"})
    recorder.flushed_at -= 10
    recorder.on_event({"event": "verbose", "stdout": "dua baris"})
    assert recorder.lines == ["satu baris", "dua baris"]
    recorder.finish()
    release.join()
    other.close()
    assert runs.log_page(recorder.run_id).lines == ["satu baris", "dua baris"]


def impatient(connection: Any, *_: Any) -> None:
    connection.execute("PRAGMA busy_timeout=20")
