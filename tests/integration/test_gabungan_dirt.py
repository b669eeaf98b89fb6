"""What villages really hold, and what happens to a gabungan: merged all the same, or refused."""

import pytest

from playbooks.module_utils import merging, withdrawing
from playbooks.module_utils.manifests import SLOT_SIZE
from playbooks.module_utils.outcome import Refusal
from playbooks.module_utils.withdrawing import Place
from tests.gabungans import Merger
from tests.integration.test_gabungan_consent import sent
from tests.integration.test_gabungan_merge import home
from tests.shaped import Village

pytestmark = [pytest.mark.integration, pytest.mark.patient]

FAR = 200


def test_odd_numbers_and_names_neither_leave_a_masked_village_nor_keep_it_out(
    merger: Merger, village: Village
) -> None:
    own, people = home(village), f"{home(village)}.tweb_penduduk"
    for number, (name, nik) in enumerate([("0", "0"), ("\t", " "), (" ", "\t\n"), ("", "00 ")], 1):
        merger.query(f"UPDATE {people} SET nama = %s, nik = %s WHERE id = {number}", name, nik)
    merger.query(f"UPDATE {people} SET tanggallahir = '0000-05-03' WHERE id = 5")
    # Where groups take part somebody entered the number of a person.
    merger.query(
        f"UPDATE {own}.program_peserta SET peserta = %s WHERE program_id = 4 LIMIT 1",
        village.nik(7),
    )
    masked = dict.fromkeys(merger.references.data_groups, "masked")
    stream = b"".join(sent(merger, village, **masked).values())
    assert village.nik(7).encode() not in stream
    assert b"0000-05-03" not in stream


def test_a_village_without_tables_that_others_refer_to_is_merged(
    merger: Merger, village: Village
) -> None:
    gone = ("ref_jabatan", "log_penduduk", "tweb_keluarga", "program")
    merger.query("SET GLOBAL foreign_key_checks = 0")
    try:
        for table in gone:
            merger.query(f"DROP TABLE {home(village)}.{table}")
    finally:
        merger.query("SET GLOBAL foreign_key_checks = 1")
    merger.query(f"ALTER TABLE {home(village)}.tweb_penduduk DROP suku")
    report = merger.merge(village)
    assert report["tables"]["tweb_desa_pamong"][0] > 0


def test_a_table_somebody_dropped_in_the_gabungan_stops_its_villages(
    merger: Merger, village: Village
) -> None:
    merger.query("RENAME TABLE t_gabungan.widget TO t_gabungan.data_widget")
    try:
        with pytest.raises(Refusal, match="widget: rows 0 instead of 3"):
            merger.merge(village)
    finally:
        merger.query("RENAME TABLE t_gabungan.data_widget TO t_gabungan.widget")


def test_a_village_that_was_asked_to_leave_before_it_came_does_not_come_by_an_older_run(
    merger: Merger, village: Village
) -> None:
    order = merger.order(village)
    merger.export(order)
    older = next(merger.tokens)
    place = Place(village.number, village.number - 1, 1)
    with merging.writer(merger.socket) as link:
        assert withdrawing.withdraw(link, merger.leaving(village), place) == 0
    with pytest.raises(Refusal) as refused:
        merger.put(order, token=older)
    assert refused.value.code == "superseded"
    assert not any(told[0] for told in merger.contents(village.number).values())


def test_one_village_that_cannot_leave_does_not_keep_the_others() -> None:
    def leave(code: str) -> int:
        if code == "2":
            raise Refusal("remains", "kia")
        return int(code)

    told, failed = withdrawing.of_each("123", leave)
    assert (told, failed) == ({"1": 1, "3": 3}, {"2": "kia"})
    with pytest.raises(Refusal, match="2 villages were done, 1 were not: 2: kia"):
        withdrawing.refuse_rest(told, failed)


@pytest.mark.parametrize("number", ["its own", pytest.param("another's", marks=pytest.mark.soak)])
def test_a_place_that_was_ever_anothers_is_given_to_nobody_else(
    merger: Merger, village: Village, number: str
) -> None:
    other = merger.village(residents=8, others=1)
    first = FAR + 2 * next(merger.tokens)
    merger.merge(other, shift=first * SLOT_SIZE, slots=2)
    before = merger.contents(other.number)
    becomes = village.number if number == "its own" else other.number
    with pytest.raises(Refusal) as refused:
        merger.merge(village, becomes=becomes, shift=(first + 1) * SLOT_SIZE)
    assert refused.value.code == "wrong_slot"
    assert refused.value.params["place"] is None
    free = refused.value.params["free"]
    assert free["slot"] == first + 2
    assert merger.contents(other.number) == before
    becomes = free["config_id"] + FAR
    merger.merge(village, becomes=becomes, shift=free["slot"] * SLOT_SIZE)
    with pytest.raises(Refusal) as refused:
        merger.merge(village, becomes=becomes + 1, shift=0)
    place = {"config_id": becomes, "slot": free["slot"], "slots": 1}
    assert refused.value.params["place"] == place


def test_its_row_of_config_says_what_was_written(merger: Merger, village: Village) -> None:
    order = merger.order(village)
    merger.export(order)
    with pytest.raises(Refusal, match="contents of nama_desa something else"):
        merger.put(order, identity={"nama_desa": "x" * 300})
    merger.put(order, identity={"nama_desa": "Desa Baru"})
    names = merger.query("SELECT nama_desa FROM t_gabungan.config WHERE id = %s", village.number)
    assert names == [("Desa Baru",)]
