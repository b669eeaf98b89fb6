"""Merges while people write and read, and merges that are killed: never a mixture."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from playbooks.module_utils.driver import connect
from playbooks.module_utils.outcome import MySQLError
from tests.gabungans import Merger
from tests.shaped import Village

pytestmark = [pytest.mark.integration, pytest.mark.patient]

ROOT = Path(__file__).parents[2]
# Merges one prepared file again and again, until it is killed.
_MERGER = """
import sys
from tests.gabungans import Merger
from pathlib import Path
socket, folder, number, token = sys.argv[1:]
from tests.shaped import Village
merger = Merger(socket, Path(folder))
order = merger.order(Village(int(number)))
while True:
    token = int(token) + 1
    merger.put(order, token=token)
"""


@contextmanager
def at_work(work: object) -> Iterator[None]:
    """Do something again and again beside the test."""
    done = threading.Event()

    def loop() -> None:
        while not done.is_set():
            work()  # type: ignore[operator]

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_what_is_read_is_one_state_while_the_village_writes(
    merger: Merger, village: Village
) -> None:
    """Each writing changes two tables at once; no merge may see one without the other."""
    link = connect(merger.socket, "root", database=f"t_v{village.number}")
    waits: list[float] = []

    def write() -> None:
        began = time.monotonic()
        with link.cursor() as cursor:
            link.begin()
            cursor.execute("UPDATE agenda SET koordinator_kegiatan = UUID() WHERE id = 1")
            cursor.execute(
                "UPDATE artikel SET judul ="
                " (SELECT koordinator_kegiatan FROM agenda WHERE id = 1) WHERE id = 1"
            )
            link.commit()
        waits.append(time.monotonic() - began)

    with closing(link):
        write()
        with at_work(write):
            for _ in range(3):
                merger.merge(village)
                first = (village.number - 1) * 4_000_000 + 1
                ((same,),) = merger.query(
                    "SELECT a.judul = g.koordinator_kegiatan FROM t_gabungan.artikel a"
                    " JOIN t_gabungan.agenda g ON g.id = a.id WHERE a.id = %s",
                    first,
                )
                assert same == 1
    assert len(waits) > 10
    assert max(waits) < 5


def test_readers_see_the_old_village_or_the_new_one(merger: Merger, village: Village) -> None:
    merger.merge(village)
    seen: set[tuple[int, int]] = set()
    reader = connect(merger.socket, "root")

    def read() -> None:
        with reader.cursor() as cursor:
            cursor.execute(
                "SELECT COUNT(*), COUNT(k.id) FROM t_gabungan.tweb_penduduk p"
                " LEFT JOIN t_gabungan.tweb_keluarga k ON k.id = p.id_kk WHERE p.config_id = %s",
                (village.number,),
            )
            seen.add(cursor.fetchone())

    with closing(reader):
        with at_work(read):
            merger.query(
                f"INSERT INTO t_v{village.number}.tweb_penduduk (config_id, nama, id_kk)"
                " VALUES (1, 'baru', 1)"
            )
            merger.merge(village)
            merger.merge(village)
        read()
    assert seen == {(40, 40), (41, 41)}


@pytest.mark.parametrize(
    "kills", [pytest.param(2, id="few"), pytest.param(50, id="many", marks=pytest.mark.soak)]
)
def test_a_merge_that_is_killed_anywhere_leaves_the_gabungan_whole(
    merger: Merger, kills: int
) -> None:
    village, neighbour = merger.village(), merger.village()
    for one in (village, neighbour):
        merger.merge(one)
    before = merger.contents(village.number), merger.contents(neighbour.number)
    chance = random.Random(kills)  # noqa: S311 - moments, not secrets
    for kill in range(kills):
        words = [merger.socket, str(merger.folder), str(village.number), str(10_000 * (kill + 1))]
        process = subprocess.Popen(
            [sys.executable, "-c", _MERGER, *words],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
        )
        _await_merge(merger, village)
        time.sleep(chance.uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
        assert process.returncode == -signal.SIGKILL, said
        _await_quiet(merger)
        after = merger.contents(village.number), merger.contents(neighbour.number)
        assert after == before
    order = merger.order(village)
    assert merger.export(order)
    merger.put(order, token=10_000 * (kills + 2))
    assert merger.query("SHOW DATABASES LIKE 't\\_gabungan\\_s%%'") == []


def _await_merge(merger: Merger, village: Village) -> None:
    """Wait until the staging schema is there: the other process is at work then."""
    until = time.monotonic() + 60
    while not merger.query(f"SHOW DATABASES LIKE 't\\_gabungan\\_s{village.number}'"):
        assert time.monotonic() < until
        time.sleep(0.02)


def _await_quiet(merger: Merger) -> None:
    """Wait until the server has taken back what the killed process had begun."""
    until = time.monotonic() + 60
    while True:
        try:
            rows = merger.query("SELECT COUNT(*) FROM information_schema.INNODB_TRX")
        except MySQLError:
            rows = [(1,)]
        if rows == [(0,)]:
            return
        assert time.monotonic() < until
        time.sleep(0.05)
