"""A village's turn in a merge: looked at, read as its own reader, merged, or left waiting."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils import cycling, exporting, gabungan, merging
from playbooks.module_utils.changes import read_counters
from playbooks.module_utils.driver import connect
from playbooks.module_utils.outcome import MySQLError, Steps
from tests.gabungans import DAY, KEY, Merger
from tests.shaped import Village

pytestmark = [pytest.mark.integration, pytest.mark.patient]

Turn = Callable[..., dict[str, Any]]


@pytest.fixture
def turn(merger: Merger, tmp_path: Path) -> Turn:
    """Give a village its turn, as the module does."""
    (tmp_path / "gabungan").mkdir()
    merger.query("SET GLOBAL userstat = 1")
    layout = {"root": str(tmp_path), "lock_dir": str(tmp_path / "locks")}

    def take(village: Village, steps: Steps | None = None, **changes: Any) -> dict[str, Any]:
        with closing(connect(merger.socket, "root")) as link:
            one = cycling.Round(
                layout={**layout, "db_socket": merger.socket},  # type: ignore[typeddict-item]
                schema=merger.schema,
                day=DAY,
                key=KEY,
                is_whole=False,
                wanted=gabungan.contract(link, merger.schema, merger.references),
                references=merger.references,
                facts="",
                counters=read_counters(link),
                version=gabungan.schema_version(link, merger.schema),
            )
        order: Any = {
            "slug": f"opensid-{village.code}",
            "database": f"t_v{village.number}",
            "code": village.code,
            "run_token": next(merger.tokens),
            "config_id": village.number,
            "slot": village.number - 1,
            "slots": 1,
            "shares": merger.shares(),
            "identity": {},
            **changes,
        }
        with merging.writer(merger.socket) as link:
            return cycling.take_turn(link, one, order, steps or Steps())

    return take


def test_a_village_newer_than_the_gabungan_waits(
    merger: Merger, village: Village, turn: Turn
) -> None:
    assert turn(village)["state"] == "merged"
    before, steps = merger.contents(village.number), Steps()
    database = f"t_v{village.number}"
    merger.query(f"INSERT INTO {database}.migrasi (versi_database) VALUES ('2024110101')")
    merger.query(f"DELETE FROM {database}.artikel")
    waits = {"state": "waiting", "village": 2024110101, "gabungan": 2024100101}
    assert turn(village, steps) == turn(village) == waits
    assert "waits: schema 2024110101" in steps.result()["steps"][0]["detail"]
    assert merger.contents(village.number) == before
    merger.query(f"DELETE FROM {database}.migrasi WHERE versi_database = '2024110101'")
    assert turn(village)["state"] == "merged"
    assert turn(village)["state"] == "unchanged"


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
