"""Merging villages: all of each, its own, and nothing of what was not shared."""

import zipfile
from contextlib import closing

import pytest

from playbooks.module_utils.driver import connect
from playbooks.module_utils.labels import read_labels
from playbooks.module_utils.outcome import Refusal
from tests.gabungans import Merger
from tests.shaped import Village

pytestmark = [pytest.mark.integration, pytest.mark.patient]

FAR = 1_000_000_000
EVERY_KIND = {
    "tweb_penduduk.id_kk>tweb_keluarga",
    "tweb_keluarga.nik_kepala>tweb_penduduk",
    "menu.parrent>menu",
    "artikel.id_user>user",
    "pendapat.pengguna>tweb_penduduk",
    "program_peserta.peserta>kelompok[4]",
    "suplemen_terdata.id_terdata>tweb_keluarga[2]",
    "analisis_respon.id_subjek>config[5]",
    "menu.link>program",
    "log_surat.input>tweb_penduduk",
    "permohonan_surat.syarat>dokumen",
    "setting_aplikasi.value>kategori",
}


def test_two_villages_stand_side_by_side_each_with_its_own(
    merger: Merger, village: Village
) -> None:
    two = merger.village(residents=60)
    order = merger.order(village)
    manifest = merger.export(order)
    assert manifest is not None
    assert manifest.references.keys() >= EVERY_KIND
    merger.put(order)
    before = merger.contents(village.number)
    report = merger.merge(two)
    assert report["statistics"]["penduduk"] == 54
    assert merger.contents(village.number) == before
    assert merger.query(
        "SELECT COUNT(DISTINCT id), COUNT(*) FROM t_gabungan.tweb_penduduk"
        " WHERE config_id IN (%s, %s)",
        village.number,
        two.number,
    ) == [(100, 100)]


def test_a_village_merged_again_is_the_same(merger: Merger, village: Village) -> None:
    merger.merge(village)
    before = merger.contents(village.number)
    merger.merge(village)
    assert merger.contents(village.number) == before


def test_rows_whose_parent_somebody_deleted_there_are_replaced_with_the_others(
    merger: Merger, village: Village
) -> None:
    merger.merge(village)
    before = merger.contents(village.number)
    merger.query("SET GLOBAL foreign_key_checks = 0")
    try:
        merger.query("DELETE FROM t_gabungan.analisis_periode WHERE config_id = %s", village.number)
    finally:
        merger.query("SET GLOBAL foreign_key_checks = 1")
    merger.merge(village)
    assert merger.contents(village.number) == before


def test_rows_of_the_regency_survive(merger: Merger, village: Village) -> None:
    merger.merge(village)
    merger.query(
        "INSERT INTO t_gabungan.program (config_id, nama, sasaran, sdate, edate)"
        " VALUES (NULL, 'Bantuan kabupaten', 1, '2026-01-01', '2026-12-31')"
    )
    merger.merge(village)
    rows = merger.query("SELECT id, nama FROM t_gabungan.program WHERE config_id IS NULL")
    assert rows == [(2_000_000_001, "Bantuan kabupaten")]


def test_only_changed_tables_travel_and_deletes_are_carried(
    merger: Merger, village: Village
) -> None:
    order = merger.order(village)
    first = merger.export(order)
    assert first is not None
    merger.put(order)
    assert merger.export(merger.order(village, known=first.checksums)) is None
    merger.query(f"DELETE FROM {home(village)}.agenda WHERE id = 1")
    merger.query(f"UPDATE {home(village)}.artikel SET judul = 'Baru' WHERE id = 2")
    order = merger.order(village, known=first.checksums)
    second = merger.export(order)
    assert second is not None
    assert sorted(second.sent) == ["agenda", "artikel"]
    with zipfile.ZipFile(merger.file(order)) as file:
        assert sorted(file.namelist()) == ["agenda.tsv", "artikel.tsv", "manifest.json"]
    _rebase(merger, order, first.stamp)
    merger.put(order)
    assert merger.query(
        "SELECT COUNT(*) FROM t_gabungan.agenda WHERE config_id = %s", village.number
    ) == [(2,)]
    assert merger.query("SELECT COUNT(*) FROM t_gabungan.artikel WHERE judul = 'Baru'") == [(1,)]


@pytest.mark.soak
def test_changes_to_another_state_than_the_gabungan_holds_are_refused(
    merger: Merger, village: Village
) -> None:
    order = merger.order(village)
    first = merger.export(order)
    assert first is not None
    merger.put(order)
    merger.query(f"DELETE FROM {home(village)}.agenda WHERE id = 1")
    order = merger.order(village, known=first.checksums)
    merger.export(order)
    _rebase(merger, order, "something else")
    with pytest.raises(Refusal) as refused:
        merger.put(order)
    assert refused.value.code == "other_base"


def test_counters_of_visits_are_no_reason_to_merge(merger: Merger, village: Village) -> None:
    first = merger.export(merger.order(village))
    assert first is not None
    merger.query(f"UPDATE {home(village)}.sys_traffic SET Jumlah = Jumlah + 1")
    merger.query(f"UPDATE {home(village)}.user SET last_login = NOW()")
    assert merger.export(merger.order(village, known=first.checksums)) is None


@pytest.mark.soak
def test_ids_of_a_large_village_take_more_than_one_slot(merger: Merger, village: Village) -> None:
    merger.query(
        f"INSERT INTO {home(village)}.posyandu (id, config_id, nama) VALUES (9000000, 1, 'jauh')"
    )
    with pytest.raises(Refusal) as refused:
        merger.merge(village, shift=FAR)
    assert refused.value.code == "slot_too_small"
    assert refused.value.params["slots"] == 3
    merger.merge(village, shift=FAR, slots=3)
    assert merger.query("SELECT MAX(id) FROM t_gabungan.posyandu") == [(FAR + 9_000_000,)]


@pytest.mark.soak
def test_a_village_of_a_shared_database_is_told_from_its_neighbour(
    merger: Merger, village: Village
) -> None:
    merger.query(
        f"INSERT INTO {home(village)}.config (id, app_key, kode_desa, nama_desa) VALUES"
        " (7, 'x', '5102019999', 'Lain')"
    )
    merger.query(
        f"INSERT INTO {home(village)}.posyandu (config_id, nama) VALUES (7, 'milik tetangga')"
    )
    merger.merge(village)
    found = merger.query("SELECT COUNT(*) FROM t_gabungan.posyandu WHERE nama = 'milik tetangga'")
    assert found == [(0,)]


def test_another_villages_database_is_refused(merger: Merger, village: Village) -> None:
    with pytest.raises(Refusal) as refused:
        merger.merge(village, code="5102019999")
    assert refused.value.code == "not_the_village"


def test_a_drifted_schema_is_merged_by_names(merger: Merger, village: Village) -> None:
    merger.query(f"ALTER TABLE {home(village)}.artikel ADD urut_lama INT, DROP COLUMN gambar3")
    merger.query(
        f"CREATE TABLE {home(village)}.data_persil (id INT PRIMARY KEY, config_id INT, id_pend INT)"
    )
    merger.query(f"INSERT INTO {home(village)}.data_persil VALUES (1, 1, 1)")
    report = merger.merge(village)
    assert "unknown: table data_persil" in report["warnings"]
    assert "unknown: column data_persil.id_pend" in report["warnings"]
    assert "not in the gabungan: artikel.urut_lama" in report["warnings"]
    assert report["tables"]["data_persil"] == [1, 0, "unknown"]


def test_a_table_with_a_column_nobody_has_explained_is_left_out_and_told(
    merger: Merger, village: Village
) -> None:
    """Merged unmoved, its numbers would be rows of whoever has the first place."""
    for database in (home(village), merger.schema):
        merger.query(f"ALTER TABLE {database}.lokasi ADD id_juru INT")
    try:
        merger.query(f"UPDATE {home(village)}.lokasi SET id_juru = 1")
        report = merger.merge(village)
    finally:
        merger.query(f"ALTER TABLE {merger.schema}.lokasi DROP id_juru")
    assert report["tables"]["lokasi"] == [3, 0, "unknown"]
    assert "unknown: column lokasi.id_juru" in report["warnings"]
    left = (
        "SELECT (SELECT COUNT(*) FROM t_gabungan.lokasi WHERE config_id = %s),"
        " (SELECT COUNT(id_peta) FROM t_gabungan.persil WHERE config_id = %s)"
    )
    assert merger.query(left, village.number, village.number) == [(0, 0)]


def test_rows_of_the_regency_that_say_something_else_in_a_village_are_told(
    merger: Merger, village: Village
) -> None:
    merger.query(f"INSERT INTO {merger.schema}.tweb_cacat (id, nama) VALUES (701, 'CACAT FISIK')")
    merger.query(f"INSERT INTO {merger.schema}.tweb_cacat (id, nama) VALUES (702, 'CACAT MENTAL')")
    merger.query(
        f"INSERT INTO {home(village)}.tweb_cacat (id, nama) VALUES"
        " (701, 'Cacat fisik.'), (702, 'TIDAK ADA'), (703, 'LAINNYA')"
    )
    with closing(connect(merger.socket, "root")) as link:
        labels = read_labels(link, merger.schema, merger.references.regency_wide)
    quality = merger.merge(village, labels=labels)["quality"]
    told = [one for one in quality if one.split()[1] == "tweb_cacat" and " 70" in one]
    assert [one.split(":")[0] for one in told] == ["extra", "label", "meaning"]
    assert told[1:] == ["label: tweb_cacat 701", "meaning: tweb_cacat 702"]


def test_a_value_that_fits_no_more_is_named_by_its_column_alone(
    merger: Merger, village: Village
) -> None:
    table = f"{home(village)}.pembangunan"
    merger.query(f"ALTER TABLE {table} MODIFY waktu VARCHAR(60), MODIFY tahun_anggaran VARCHAR(60)")
    merger.query(f"UPDATE {table} SET waktu = '', tahun_anggaran = ' ' WHERE id = 1")
    merger.merge(village)
    merger.query(f"UPDATE {table} SET waktu = 'RAHASIA' WHERE id = 2")
    before = merger.contents(village.number)
    with pytest.raises(Refusal) as refused:
        merger.merge(village)
    assert refused.value.code == "value_unfit"
    assert refused.value.params == {"table": "pembangunan", "column": "waktu"}
    assert "RAHASIA" not in str(refused.value)
    assert merger.contents(village.number) == before


def test_rows_alike_under_a_key_of_the_gabungan_are_reported(
    merger: Merger, village: Village
) -> None:
    merger.query(
        f"ALTER TABLE {home(village)}.klasifikasi_surat"
        " ADD INDEX (config_id), DROP INDEX config_id_kode"
    )
    merger.query(f"UPDATE {home(village)}.klasifikasi_surat SET kode = '001'")
    report = merger.merge(village)
    assert "duplicate: klasifikasi_surat.2" in report["quality"]
    assert merger.query(
        "SELECT COUNT(*) FROM t_gabungan.klasifikasi_surat WHERE config_id = %s", village.number
    ) == [(1,)]


def test_an_older_run_is_refused(merger: Merger, village: Village) -> None:
    order = merger.order(village)
    merger.export(order)
    merger.put(order, token=5000)
    with pytest.raises(Refusal) as refused:
        merger.put(order, token=4999)
    assert refused.value.code == "superseded"


def test_nothing_is_left_beside_the_gabungan(merger: Merger, village: Village) -> None:
    merger.merge(village)
    found = [name for (name,) in merger.query("SHOW DATABASES LIKE 't\\_g%%'")]
    assert found == ["t_gabungan", "t_gabungan_buku"]


def _rebase(merger: Merger, order: object, stamp: str) -> None:
    """Say in a file on which state its changes build."""
    file = merger.file(order)  # type: ignore[arg-type]
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["manifest.json"] = members["manifest.json"].replace(
        b'"base": ""', f'"base": "{stamp}"'.encode()
    )
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def home(village: Village) -> str:
    """Return the name of a village's own database."""
    return f"t_v{village.number}"
