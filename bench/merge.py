"""Merging villages into the gabungan: first, again with nothing changed, and one row changed.

`make bench NAME=merge`; villages are shaped like OpenSID's (tests/shaped.py). What is measured is
the module's own work on one MariaDB, without Ansible's start. The floor is the merge's transaction
without its proof; the peer a dump of the whole village, rewritten and loaded, as people script it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from playbooks.module_utils import cycling, gabungan, mariadb, merging
from playbooks.module_utils.book import Book
from playbooks.module_utils.changes import read_counters
from playbooks.module_utils.driver import connect
from playbooks.module_utils.golden import DUMP
from playbooks.module_utils.labels import read_labels
from playbooks.module_utils.outcome import Steps
from tests.databases import private_mariadb
from tests.shaped import Village, facts, load, reference_map

SCHEMA, DAY, KEY = "b_gabungan", "2026-11-22", "5a" * 32
_REPEATS = 5


class Merger:
    """One MariaDB with villages and a gabungan."""

    def __init__(self, socket: str, folder: Path) -> None:
        self.socket, self.folder = socket, folder
        (folder / "gabungan").mkdir()
        self.tokens = itertools.count(1)
        self.layout: Any = {
            "root": str(folder),
            "lock_dir": str(folder / "locks"),
            "db_socket": socket,
        }

    def village(self, number: int, residents: int) -> Village:
        """Make a village; its database is `b_v<number>`."""
        village = Village(number, residents)
        with warnings.catch_warnings(), closing(connect(self.socket, "root")) as link:
            warnings.simplefilter("ignore")
            load(link, f"b_v{number}", village)
        return village

    def create(self) -> None:
        """Make the gabungan."""
        self.village(999, 8)
        mariadb.write_dump(self.socket, "b_v999", self.folder / DUMP)
        gabungan.create(self.socket, SCHEMA, self.folder, reference_map(), Steps())

    def run(self, sql: str) -> Any:
        """Ask or change anything."""
        with closing(connect(self.socket, "root", sql_mode="")) as link, link.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def cycle(self, villages: list[Village], *, whole: bool = False) -> tuple[float, list[Steps]]:
        """Merge what changed; return the seconds and the steps of each village."""
        began, told = time.monotonic(), []
        references = reference_map()
        with closing(connect(self.socket, "root")) as link:
            wanted = gabungan.contract(link, SCHEMA, references)
            one = cycling.Round(
                layout=self.layout,
                schema=SCHEMA,
                day=DAY,
                key=KEY,
                is_whole=whole,
                wanted=wanted,
                references=references,
                facts=str(len(json.dumps(facts()))),
                counters=read_counters(link, Book(link, SCHEMA)),
                version=gabungan.schema_version(link, SCHEMA),
                labels=read_labels(link, SCHEMA, references.regency_wide),
            )
        with merging.writer(self.socket) as link:
            for village in villages:
                told.append(Steps())
                cycling.take_turn(link, one, self._order(village), told[-1])
        return time.monotonic() - began, told

    def _order(self, village: Village) -> Any:
        return {
            "slug": f"opensid-{village.code}",
            "database": f"b_v{village.number}",
            "code": village.code,
            "run_token": next(self.tokens),
            "config_id": village.number,
            "slot": village.number - 1,
            "slots": 1,
            "shares": dict.fromkeys(reference_map().data_groups, "full"),
            "identity": {},
        }

    def peer(self, village: Village) -> float:
        """Dump and load a whole village; its ids are not even rewritten."""
        began = time.monotonic()
        client = ["mariadb", "--no-defaults", "-uroot", f"--socket={self.socket}"]
        dump = subprocess.run(
            mariadb.full_dump_command(self.socket, f"b_v{village.number}"),
            check=True,
            capture_output=True,
        ).stdout
        subprocess.run([*client, "-e", "CREATE DATABASE b_peer CHARACTER SET utf8mb3"], check=True)
        subprocess.run([*client, "b_peer"], input=dump, check=True)
        seconds = time.monotonic() - began
        self.run("DROP DATABASE b_peer")
        return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.merge", description=__doc__)
    parser.add_argument("--villages", type=int, default=20)
    parser.add_argument("--residents", type=int, default=4000)
    asked = parser.parse_args()
    with server() as merger:
        merger.create()
        villages = [merger.village(1 + one, asked.residents) for one in range(asked.villages)]
        print(
            json.dumps({"bench": "merge", "villages": len(villages), **measure(merger, villages)})
        )


def measure(merger: Merger, villages: list[Village]) -> dict[str, Any]:
    """Return the figures."""
    first, _ = merger.cycle(villages)
    noop, _ = merger.cycle(villages)
    ours, changed = [], []
    for _ in range(_REPEATS):
        merger.run("UPDATE b_v1.artikel SET judul = UUID() WHERE id = 1")
        changed.append(merger.cycle(villages)[0])
        merger.run("UPDATE b_v1.artikel SET judul = UUID() WHERE id = 1")
        ours.append(merger.cycle(villages[:1])[0])
    peer = median(merger.peer(villages[0]) for _ in range(3))
    with_proof, without = ratio(merger, villages[0])
    return {
        "first_s_per_village": round(first / len(villages), 2),
        "floor_ratio": round(with_proof / without, 2),
        "peer_speedup": round(peer / median(ours), 1),
        "noop_s": round(noop, 2),
        "one_row_changed_s": round(median(changed), 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def ratio(merger: Merger, village: Village) -> tuple[float, float]:
    """Return the seconds of a whole merge's transaction with its proof and without, in turns."""
    pairs = [
        (_transaction(merger, village), _unproven(lambda: _transaction(merger, village)))
        for _ in range(_REPEATS)
    ]
    proven, bare = zip(*pairs, strict=True)
    return median(proven), median(bare)


def _transaction(merger: Merger, village: Village) -> float:
    _, (steps,) = merger.cycle([village], whole=True)
    return float(next(one["seconds"] for one in steps.result()["steps"] if one["name"] == "merge"))


# What a merge looks at besides writing: without it the same statements write the same rows.
_LOOKS: dict[str, Any] = {
    "neighbours.count_own": lambda *_: 0,
    "neighbours.touched_rows": lambda *_: {},
    "neighbours.refuse_others": lambda *_: None,
    "identity_differences": lambda *_: [],
    "Reconciliation.differences": lambda *_: [],
    "Reconciliation.shown": {},
}


def _unproven(merge: Callable[[], float]) -> float:
    with ExitStack() as stack:
        for name, nothing in _LOOKS.items():
            stack.enter_context(mock.patch(f"{merging.__name__}.{name}", nothing))
        return merge()


@contextmanager
def server() -> Iterator[Merger]:
    """Start a private MariaDB; it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="siappakai-bench-"))
    try:
        with private_mariadb() as url:
            yield Merger(str(url.query["unix_socket"]), folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
