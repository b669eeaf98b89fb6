"""A village comes out of a gabungan as it went in: merged again, it is the same."""

from __future__ import annotations

import gzip
import itertools
import json
import subprocess
import zipfile
from contextlib import closing
from typing import Any

import pytest

from playbooks.module_utils import merging, withdrawing
from playbooks.module_utils.driver import connect
from playbooks.module_utils.extracting import Wish, sweep
from playbooks.module_utils.handing_out import DUMP, README
from playbooks.module_utils.outcome import Refusal, Steps
from playbooks.module_utils.taking_out import STATE, take_out
from tests.gabungans import DAY, Merger
from tests.shaped import Village

pytestmark = [pytest.mark.integration, pytest.mark.patient]

NEW: Any = {"app_key": "base64:BARU", "password": "sandi-baru", "password_hash": "$2y$baru"}
_numbers = itertools.count(500)


def wish(merger: Merger, village: Village, **changes: Any) -> Wish:
    """Return the wish to take a village out of the merger's gabungan."""
    known = {
        "database": merger.schema,
        "code": village.code,
        "scratch": f"t_keluar_{village.code}",
        "golden": merger.folder,
        "folder": merger.folder,
        "day": DAY,
        "references": merger.references,
    }
    return Wish(**{**known, **changes})


def out(merger: Merger, wanted: Wish) -> tuple[str, dict[str, Any]]:
    """Take a village out and restore its archive; return the database and what it tells."""
    target = merger.folder / "keluar" / "desa.zip"
    told = take_out(
        merger.socket, wanted, NEW, release="v2410.0.0", target=target, owner=0, steps=Steps()
    )
    with zipfile.ZipFile(target) as archive:
        assert archive.read("desa/app_key") == b"base64:BARU"
        assert json.loads(archive.read(STATE)) == told
        assert ("TIDAK LENGKAP" in archive.read(README).decode()) == bool(told["missing"])
        dump = gzip.decompress(archive.read(DUMP))
    database = f"t_x{next(_numbers)}"
    merger.query(f"CREATE DATABASE {database} CHARACTER SET utf8mb3")
    client = ["mariadb", "--no-defaults", "-uroot", f"--socket={merger.socket}", database]
    subprocess.run(client, input=dump, check=True)
    left = [name for (name,) in merger.query("SHOW DATABASES") if "keluar" in name]
    assert left == []
    assert not list(merger.folder.glob("t_keluar*"))
    return database, told


def everything(merger: Merger, village: Village) -> dict[str, Any]:
    """Return all there is of a village in the gabungan, rows of no config_id too."""
    found: dict[str, Any] = dict(merger.contents(village.number))
    for table, (column, parent) in merger.references.by_parent.items():
        key = merger.references.key_of(parent)
        rows = merger.query(
            f"SELECT t.* FROM {merger.schema}.{table} t JOIN {merger.schema}.{parent} p"
            f" ON p.{key} = t.{column} WHERE p.config_id = {village.number}"
        )
        found[table] = sorted(rows, key=repr)
    return found


@pytest.mark.parametrize(
    "seed",
    [0, *(pytest.param(one, marks=pytest.mark.soak) for one in range(1, 13))],
)
def test_merged_taken_out_and_merged_again_it_is_the_same(merger: Merger, seed: int) -> None:
    village = merger.village(residents=12 + 17 * seed % 90, others=2 + seed % 4)
    merger.merge(merger.village(residents=16, others=2))
    merger.merge(village)
    before = everything(merger, village)
    database, told = out(merger, wish(merger, village))
    assert told["residents"] == len(
        merger.query(
            f"SELECT 1 FROM {database}.tweb_penduduk p WHERE status_dasar = 1 AND 2 <> (SELECT"
            f" kode_peristiwa FROM {database}.log_penduduk l WHERE l.id_pend = p.id"
            " ORDER BY l.id DESC LIMIT 1)"
        )
    )
    assert told["missing"] == told["left"] == {}
    assert merger.query(f"SELECT id, kode_desa, app_key FROM {database}.config") == [
        (1, village.code, "base64:BARU")
    ]
    own = f"t_v{village.number}"
    for query in (
        "SELECT id, nik, nama, id_kk FROM {}.tweb_penduduk ORDER BY id",
        "SELECT id, link, parrent FROM {}.menu ORDER BY id",
        "SELECT id_indikator, id_subjek FROM {}.analisis_respon ORDER BY 1, 2",
    ):
        assert merger.query(query.format(database)) == merger.query(query.format(own))
    hashes = [one for (one,) in merger.query(f"SELECT password FROM {database}.user ORDER BY id")]
    assert (hashes[0], set(hashes[1:])) == ("$2y$baru", {"!"})
    merger.merge(village, database=database)
    assert everything(merger, village) == before


def test_not_all_of_it_is_refused_or_told(merger: Merger, village: Village) -> None:
    with pytest.raises(Refusal) as refused:
        out(merger, wish(merger, village))
    assert refused.value.code == "not_merged"
    merger.merge(village, shares=merger.shares(kesehatan="withheld", keluarga="masked"))
    for changes in ({}, {"unknown": ["data_persil"]}):
        with pytest.raises(Refusal, match=r"kesehatan \(withheld\)") as refused:
            out(merger, wish(merger, village, **changes))
        assert refused.value.code == "not_shared"
    database, told = out(merger, wish(merger, village, is_incomplete=True))
    assert told["missing"] == {"kesehatan": "withheld", "keluarga": "masked"}
    assert merger.query(f"SELECT COUNT(*) FROM {database}.kia") == [(0,)]
    people = merger.query(f"SELECT COUNT(*) FROM {database}.tweb_penduduk")
    assert people == [(village.residents,)]
    place = withdrawing.Place(village.number, village.number - 1, 1)
    with merging.writer(merger.socket) as link:
        withdrawing.withdraw(link, merger.leaving(village), place)
    with pytest.raises(Refusal) as refused:
        out(merger, wish(merger, village, is_incomplete=True))
    assert refused.value.code == "not_merged"


def test_one_of_a_database_that_villages_write_live_comes_out_alone(
    merger: Merger, village: Village
) -> None:
    """Ids of all lie among each other there: what points at a neighbour points at nothing."""
    shared = f"t_v{village.number}"
    merger.query(
        f"INSERT INTO {shared}.config (id, app_key, kode_desa) VALUES (7, 'x', '5102019999')"
    )
    merger.query(f"INSERT INTO {shared}.posyandu (id, config_id, nama) VALUES (900, 7, 'lain')")
    merger.query(
        f"INSERT INTO {shared}.kelompok (id, config_id, id_master, nama, kode)"
        " VALUES (900, 7, 1, 'lain', 'L')"
    )
    merger.query(f"UPDATE {shared}.bulanan_anak SET posyandu_id = 900 WHERE id_bulanan_anak = 1")
    merger.query(f"UPDATE {shared}.program_peserta SET peserta = '900' WHERE program_id = 4")
    merger.query(f"CREATE TABLE {shared}.data_presisi (id INT PRIMARY KEY, config_id INT)")
    merger.query(f"INSERT INTO {shared}.data_presisi VALUES (1, 1)")
    _renumber(merger, shared, 12)
    database, told = out(merger, wish(merger, village, database=shared, is_foreign=True))
    assert told["left"] == {"data_presisi": 1}
    assert merger.query(f"SELECT id, kode_desa FROM {database}.config") == [(1, village.code)]
    assert merger.query(f"SELECT DISTINCT config_id FROM {database}.tweb_penduduk") == [(1,)]
    for table in ("posyandu", "kelompok"):
        assert merger.query(f"SELECT COUNT(*) FROM {database}.{table} WHERE id = 900") == [(0,)]
    pointing = f"SELECT COUNT(*) FROM {database}.bulanan_anak WHERE posyandu_id = 900"
    assert merger.query(pointing) == [(0,)]
    aided = f"SELECT COUNT(*) FROM {database}.program_peserta WHERE peserta = '900'"
    assert merger.query(aided) == [(0,)]
    assert any(one.startswith("beyond: bulanan_anak.posyandu_id") for one in told["quality"])
    with pytest.raises(Refusal) as refused:
        out(merger, wish(merger, village, database=shared, is_foreign=True, code="5102018888"))
    assert refused.value.code == "not_the_village"


def _renumber(merger: Merger, database: str, number: int) -> None:
    """Make a village one of many: its number is not the first."""
    merger.query("SET GLOBAL foreign_key_checks = 0")
    try:
        merger.query(f"UPDATE {database}.config SET id = {number} WHERE id = 1")
        tables = merger.query(
            "SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s"
            " AND COLUMN_NAME = 'config_id'",
            database,
        )
        for (table,) in tables:
            merger.query(f"UPDATE {database}.{table} SET config_id = {number} WHERE config_id = 1")
    finally:
        merger.query("SET GLOBAL foreign_key_checks = 1")


def test_what_a_killed_one_left_is_swept(merger: Merger) -> None:
    for name in ("t_keluar_5102010001", "t_keluar_5102010001_s1", "t_keluarga"):
        merger.query(f"CREATE DATABASE {name}")
    with closing(connect(merger.socket, "root")) as link:
        sweep(link, "t_keluar_")
    assert merger.query("SHOW DATABASES LIKE 't_keluar%%'") == [("t_keluarga",)]
    merger.query("DROP DATABASE t_keluarga")
