"""What a village does not share never leaves it, whatever way one looks at what left."""

import zipfile
from typing import Any

import pytest

from playbooks.module_utils import merging, verifying, withdrawing
from playbooks.module_utils.book import Book, Entry
from playbooks.module_utils.manifests import SLOT_SIZE
from playbooks.module_utils.outcome import Refusal
from playbooks.module_utils.relations import Scope
from tests.gabungans import Merger
from tests.shaped import Village

pytestmark = [pytest.mark.integration, pytest.mark.patient]

# Planted in every village; see tests/shaped.py.
SECRETS = (b"PLANTEDHASH", b"PLANTEDSECRET", b"SECRETTOKEN", b"base64:rahasia")


def sent(merger: Merger, village: Village, **shares: str) -> dict[str, bytes]:
    """Return what leaves a village, file by file."""
    order = merger.order(village, shares=merger.shares(**shares))
    assert merger.export(order)
    with zipfile.ZipFile(merger.file(order)) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    merger.put(order)
    return found


def test_secrets_never_leave_a_village_that_shares_everything(
    merger: Merger, village: Village
) -> None:
    stream = b"".join(sent(merger, village).values())
    assert b"PLANTED NAME 7" in stream
    assert not [secret for secret in SECRETS if secret in stream]


def test_masked_people_are_counted_and_joined_yet_nobody_knows_them(
    merger: Merger, village: Village
) -> None:
    everything = dict.fromkeys(merger.references.data_groups, "masked")
    stream = b"".join(sent(merger, village, **everything).values())
    assert b"PLANTED NAME" not in stream
    assert b"rahasia.test" not in stream
    assert village.nik(7).encode() not in stream
    assert village.no_kk(2).encode() not in stream
    joined = (
        "SELECT COUNT(*) FROM t_gabungan.program_peserta s JOIN t_gabungan.tweb_penduduk p"
        " ON p.nik = s.peserta JOIN t_gabungan.program o ON o.id = s.program_id"
        " WHERE o.sasaran = 1 AND p.config_id = %s"
    )
    assert merger.query(joined, village.number) == [(5,)]
    groups = (
        "SELECT COUNT(*) FROM t_gabungan.program_peserta s JOIN t_gabungan.kelompok k"
        " ON k.id = s.peserta JOIN t_gabungan.program o ON o.id = s.program_id"
        " WHERE o.sasaran = 4 AND k.config_id = %s"
    )
    assert merger.query(groups, village.number) == [(5,)]


@pytest.mark.parametrize("share", ["masked", "withheld"])
def test_no_other_group_tells_who_a_resident_is(
    merger: Merger, village: Village, share: str
) -> None:
    stream = b"".join(sent(merger, village, kependudukan=share).values())
    assert b"PLANTED NAME" not in stream
    assert village.nik(7).encode() not in stream


def test_what_is_withheld_goes_with_all_that_is_about_it(merger: Merger, village: Village) -> None:
    files = sent(merger, village, kependudukan="withheld")
    for table in ("tweb_penduduk", "log_penduduk", "kelompok_anggota", "tweb_penduduk_mandiri"):
        assert f"{table}.tsv" not in files
    families = (
        "SELECT COUNT(*), COUNT(nik_kepala) FROM t_gabungan.tweb_keluarga WHERE config_id = %s"
    )
    assert merger.query(families, village.number) == [(10, 0)]
    # Those of families stay, those of residents do not.
    kinds = "SELECT DISTINCT sasaran FROM t_gabungan.suplemen_terdata WHERE config_id = %s"
    assert merger.query(kinds, village.number) == [(2,)]


def test_a_group_nobody_decided_on_is_not_shared(merger: Merger, village: Village) -> None:
    order = merger.order(village, shares={"artikel": "full"})
    assert merger.export(order)
    with zipfile.ZipFile(merger.file(order)) as archive:
        names = set(archive.namelist())
    assert "artikel.tsv" in names
    assert "tweb_penduduk_umur.tsv" in names
    assert not {"tweb_penduduk.tsv", "log_surat.tsv", "user.tsv", "cdesa.tsv"} & names


def test_shared_no_more_is_deleted_before_anything_is_merged(
    merger: Merger, village: Village
) -> None:
    sent(merger, village)
    before = merger.contents(village.number)
    shares = merger.shares(kesehatan="withheld", keluarga="masked")
    with merging.writer(merger.socket) as link:
        leaving = merger.leaving(village)
        rows = withdrawing.narrow(link, leaving, shares)
        assert withdrawing.narrow(link, merger.leaving(village, token=1), shares) == 0
        assert withdrawing.narrow(link, merger.leaving(village), merger.shares()) == 0
        assert Book(link, merger.schema).stamp_of(village.code) == ""
    after = merger.contents(village.number)
    emptied = {name for name, told in after.items() if told != before[name]}
    assert emptied == {
        *("kia", "ibu_hamil", "bulanan_anak", "posyandu", "sasaran_paud", "tweb_keluarga"),
        *("covid19_pantau", "covid19_pemudik", "covid19_vaksin", "tweb_rtm"),
    }
    assert all(after[name][0] == 0 for name in emptied)
    assert rows == sum(before[name][0] for name in emptied)


@pytest.mark.parametrize("table", ["analisis_respon", "tweb_penduduk_map", "artikel"])
def test_a_village_has_left_when_nothing_of_its_place_is_there(
    merger: Merger, village: Village, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where rows do not say whose they are, and what they belonged to is gone."""
    sent(merger, village)
    before = merger.contents(village.number)
    place = withdrawing.Place(village.number, village.number - 1, 1)

    def careless(link: Any, scope: Scope, tables: list[str], entry: Entry) -> int:
        return merging.clear(link, scope, [one for one in tables if one != table], entry)

    with merging.writer(merger.socket) as link:
        with monkeypatch.context() as patched:
            patched.setattr(withdrawing, "clear", careless)
            with pytest.raises(Refusal, match=f"rows of {table} could not") as told:
                withdrawing.withdraw(link, merger.leaving(village), place)
        assert told.value.code == "remains"
        assert merger.contents(village.number) == before
        assert withdrawing.withdraw(link, merger.leaving(village), place) > 0
    assert not any(told[0] for told in merger.contents(village.number).values())


def test_shared_no_more_is_gone_with_the_next_merge(merger: Merger, village: Village) -> None:
    sent(merger, village)
    sent(merger, village, kesehatan="withheld")
    for table in ("kia", "ibu_hamil", "posyandu"):
        rows = merger.query(
            f"SELECT COUNT(*) FROM t_gabungan.{table} WHERE config_id = %s",
            village.number,
        )
        assert rows == [(0,)], table


def test_the_regency_shows_the_sum_of_its_villages_and_says_who_is_counted_twice(
    merger: Merger, village: Village
) -> None:
    """Masked, narrowed and whole villages of the tests before among them."""
    sent(merger, village)
    other = merger.village(residents=16, others=2)
    sent(merger, other, kependudukan="masked")
    narrowed = merger.village(residents=16, others=2)
    sent(merger, narrowed)
    with merging.writer(merger.socket) as link:
        withdrawing.narrow(link, merger.leaving(narrowed), merger.shares(kependudukan="withheld"))
    assert sums(merger)["differs"] == []
    assert sums(merger)["explained"] == []
    twin = merger.village(residents=16, others=2)
    (taker,) = merger.query(
        f"SELECT s.peserta FROM t_v{village.number}.program_peserta s JOIN"
        f" t_v{village.number}.tweb_penduduk p ON p.nik = s.peserta"
        " WHERE s.program_id = 1 AND p.status_dasar = 1 LIMIT 1"
    )
    merger.query(f"UPDATE t_v{twin.number}.tweb_penduduk SET nik = %s WHERE id = 3", *taker)
    sent(merger, twin)
    told = sums(merger)
    assert told["differs"] == []
    ((name, own, everywhere),) = told["explained"]
    assert name == f"bantuan/1/{(village.number - 1) * SLOT_SIZE + 1}"
    assert everywhere == own + 1
    merger.query(
        "UPDATE t_gabungan.tweb_penduduk SET agama_id = agama_id + 1, status_dasar = 2"
        " WHERE config_id = %s AND status_dasar = 1 LIMIT 1",
        twin.number,
    )
    assert "penduduk" in {name for name, *_ in sums(merger)["differs"]}


def sums(merger: Merger) -> dict[str, Any]:
    """Compare the whole regency with its villages."""
    tables = merger.leaving(Village(1)).tables
    with merging.writer(merger.socket) as link:
        found = verifying.verify(link, merger.schema, tables, merger.references)
    return dict(found["sums"])
