"""A village's turn in a merge: looked at, read as its own reader, merged, or left waiting."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils import cycling, exporting, gabungan, merging, staging, verifying
from playbooks.module_utils.book import Book
from playbooks.module_utils.changes import read_counters
from playbooks.module_utils.driver import connect
from playbooks.module_utils.fence import hold
from playbooks.module_utils.labels import read_labels
from playbooks.module_utils.outcome import MySQLError, Steps
from tests.gabungans import DAY, KEY, Merger
from tests.shaped import Village

pytestmark = [pytest.mark.integration, pytest.mark.patient]


@dataclass(frozen=True)
class Cycle:
    """Gives villages their turns, as the module does."""

    merger: Merger
    folder: Path

    def round(self) -> cycling.Round:
        """What the villages of one call have in common."""
        merger, layout = self.merger, {"root": str(self.folder), "db_socket": self.merger.socket}
        with closing(connect(merger.socket, "root")) as link:
            return cycling.Round(
                layout={**layout, "lock_dir": str(self.folder / "locks")},  # type: ignore[typeddict-item]
                schema=merger.schema,
                day=DAY,
                key=KEY,
                is_whole=False,
                wanted=gabungan.contract(link, merger.schema, merger.references),
                references=merger.references,
                facts="",
                counters=read_counters(link, Book(link, merger.schema)),
                version=gabungan.schema_version(link, merger.schema),
                labels=read_labels(link, merger.schema, merger.references.regency_wide),
            )

    def turn(self, village: Village, steps: Steps | None = None) -> dict[str, Any]:
        """Give a village its turn."""
        order: Any = {
            "slug": f"opensid-{village.code}",
            "database": f"t_v{village.number}",
            "code": village.code,
            "run_token": next(self.merger.tokens),
            "config_id": village.number,
            "slot": village.number - 1,
            "slots": 1,
            "shares": self.merger.shares(),
            "identity": {},
        }
        with merging.writer(self.merger.socket) as link:
            return cycling.take_turn(link, self.round(), order, steps or Steps())


@pytest.fixture
def cycle(merger: Merger, tmp_path: Path) -> Cycle:
    """A merge over the villages of the merger's server."""
    (tmp_path / "gabungan").mkdir()
    return Cycle(merger, tmp_path)


def test_a_village_newer_than_the_gabungan_waits(
    merger: Merger, village: Village, cycle: Cycle
) -> None:
    assert cycle.turn(village)["state"] == "merged"
    before, steps = merger.contents(village.number), Steps()
    database = f"t_v{village.number}"
    merger.query(f"INSERT INTO {database}.migrasi (versi_database) VALUES ('2024110101')")
    merger.query(f"DELETE FROM {database}.artikel")
    waits = {"state": "waiting", "village": 2024110101, "gabungan": 2024100101}
    assert cycle.turn(village, steps) == cycle.turn(village) == waits
    assert "waits: schema 2024110101" in steps.result()["steps"][0]["detail"]
    assert merger.contents(village.number) == before
    merger.query(f"DELETE FROM {database}.migrasi WHERE versi_database = '2024110101'")
    assert cycle.turn(village)["state"] == "merged"
    assert cycle.turn(village)["state"] == "unchanged"


@pytest.mark.parametrize(
    "forgetting", ["DELETE FROM t_gabungan_buku.mark", "SET GLOBAL userstat = 0"]
)
def test_a_server_that_counts_anew_has_its_villages_looked_at_anew(
    merger: Merger, village: Village, cycle: Cycle, forgetting: str
) -> None:
    """After a start the memory of its mark is gone; what is switched off counts nothing."""
    assert cycle.turn(village)["state"] == "merged"
    merger.query(f"UPDATE t_v{village.number}.artikel SET judul = 'satu' WHERE id = 1")
    assert cycle.turn(village)["state"] == "merged"
    merger.query("FLUSH TABLE_STATISTICS")
    merger.query(forgetting)
    # As many rows as were counted when it was looked at last.
    merger.query(f"UPDATE t_v{village.number}.artikel SET judul = 'dua' WHERE id = 1")
    assert cycle.turn(village)["state"] == "merged"
    assert cycle.turn(village)["state"] == "unchanged"


def test_tables_that_were_emptied_or_changed_places_are_a_change(
    merger: Merger, village: Village, cycle: Cycle
) -> None:
    """No row of them is counted, and a restore does nothing else."""
    database = f"t_v{village.number}"
    assert cycle.turn(village)["state"] == "merged"
    assert cycle.turn(village)["state"] == "unchanged"
    merger.query(f"CREATE TABLE {database}.lain LIKE {database}.artikel")
    merger.query(f"INSERT INTO {database}.lain SELECT * FROM {database}.artikel LIMIT 1")
    merger.query(
        f"RENAME TABLE {database}.artikel TO {database}.dahulu, {database}.lain TO"
        f" {database}.artikel"
    )
    assert cycle.turn(village)["state"] == "merged"
    assert cycle.turn(village)["state"] == "unchanged"
    merger.query(f"TRUNCATE {database}.artikel")
    assert cycle.turn(village)["state"] == "merged"


def test_what_killed_merges_left_is_swept_and_what_is_at_work_is_not(
    merger: Merger, village: Village, cycle: Cycle, tmp_path: Path
) -> None:
    for name in ("t_gabungan_s900", "t_gabungan_s901", "t_gabungan_sisa"):
        merger.query(f"CREATE DATABASE {name}")
    folder = tmp_path / "gabungan"
    for name in ("opensid-5102019001.zip", "opensid-5102019002.zip", "opensid-5102019001.json"):
        (folder / name).touch()
    locks = str(tmp_path / "locks")
    try:
        with (
            closing(connect(merger.socket, "root")) as other,
            staging.owned(other, "t_gabungan_s901"),
            hold(locks, "opensid-5102019002"),
            merging.writer(merger.socket) as link,
        ):
            cycling.sweep(link, cycle.round())
        names = [name for (name,) in merger.query("SHOW DATABASES LIKE 't\\_gabungan\\_s%%'")]
        assert names == ["t_gabungan_s901", "t_gabungan_sisa"]
    finally:
        for number in ("s901", "sisa"):
            merger.query(f"DROP DATABASE t_gabungan_{number}")
    left = sorted(one.name for one in folder.iterdir())
    assert left == ["opensid-5102019001.json", "opensid-5102019002.zip"]


def test_the_proof_is_of_one_state_and_knows_what_is_withheld(
    merger: Merger, village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    merger.merge(village)
    merger.merge(village, shares=merger.shares(kesehatan="withheld"))
    looking, merged = verifying.fingerprint, []

    def look(*known: Any) -> Any:
        if not merged:
            merged.append(True)
            merger.query(f"DELETE FROM t_v{village.number}.artikel")
            merger.merge(village)
        return looking(*known)

    with merging.writer(merger.socket) as link:
        tables = gabungan.contract(link, merger.schema, merger.references)
        for watching in (look, looking):
            monkeypatch.setattr(verifying, "fingerprint", watching)
            found = verifying.verify(link, merger.schema, tables, merger.references)
            assert found["villages"][village.code]["differs"] == []
    assert merged
    merger.query("UPDATE t_gabungan.kia SET no_kia = 'x' WHERE config_id = %s", village.number)
    with merging.writer(merger.socket) as link:
        found = verifying.verify(link, merger.schema, tables, merger.references)
    assert found["villages"][village.code]["differs"] == ["kia"]


def test_what_a_village_put_in_a_tables_place_runs_with_no_rights_but_reading(
    merger: Merger, village: Village
) -> None:
    """Whoever reads must not be root: what a view runs may do what its reader may."""
    database = f"t_v{village.number}"
    merger.query(f"CREATE TABLE {database}.tamu (siapa TEXT)")
    merger.query(
        f"CREATE FUNCTION {database}.intip() RETURNS TEXT SQL SECURITY INVOKER"
        " RETURN (SELECT COUNT(*) FROM mysql.global_priv)"
    )
    merger.query(
        f"CREATE FUNCTION {database}.tulis() RETURNS INT SQL SECURITY INVOKER MODIFIES SQL DATA"
        f" BEGIN INSERT INTO {database}.tamu VALUES (CURRENT_USER()); RETURN 1; END"
    )
    for name in ("intip", "tulis"):
        merger.query(
            f"CREATE SQL SECURITY INVOKER VIEW {database}.v_{name} AS SELECT {database}.{name}() a"
        )
    with exporting.snapshot(merger.socket, database) as link, link.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        assert cursor.fetchone() == (f"{database}_gabung@localhost",)
        for view in ("v_intip", "v_tulis"):
            with pytest.raises(MySQLError, match=r"denied|READ ONLY|lack rights"):
                cursor.execute(f"SELECT * FROM {database}.{view}")
        with pytest.raises(MySQLError, match="denied"):
            cursor.execute("SELECT COUNT(*) FROM t_gabungan.tweb_penduduk")
    assert merger.query(f"SELECT COUNT(*) FROM {database}.tamu") == [(0,)]
    users = "SELECT COUNT(*) FROM mysql.global_priv WHERE User LIKE 't\\_v%%'"
    assert merger.query(users) == [(0,)]
