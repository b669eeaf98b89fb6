"""Faults planted in a merge: each is caught by its reconciliation, and taken back."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from playbooks.module_utils import describing, exporting, links, merging, relations, sending
from playbooks.module_utils.consents import Consent
from playbooks.module_utils.manifests import SLOT_SIZE
from playbooks.module_utils.outcome import Refusal
from playbooks.module_utils.references import ReferenceMap
from tests.gabungans import Merger
from tests.shaped import Village, reference_map

pytestmark = [pytest.mark.integration, pytest.mark.patient]


@pytest.fixture(scope="module")
def merged(merger: Merger) -> Village:
    """A village that was merged before the fault."""
    village = merger.village()
    merger.merge(village)
    return village


@pytest.fixture(scope="module")
def other(merger: Merger) -> Village:
    """Another one: ids that are not moved would find rows of the first."""
    return merger.village()


@pytest.fixture
def unchanged(merger: Merger, merged: Village) -> Iterator[None]:
    """Whatever the fault, the gabungan stays as it was."""
    before = merger.contents(merged.number)
    yield
    assert merger.contents(merged.number) == before


def refused(merger: Merger, village: Village, **changes: object) -> str:
    """Return what the reconciliation says of a merge that goes wrong."""
    order = merger.order(village)
    assert merger.export(order)
    with pytest.raises(Refusal) as told:
        merger.put(order, **changes)
    assert told.value.code in {"reconciliation_failed", "rows_missing"}
    return str(told.value)


def without(table: str, column: str) -> ReferenceMap:
    """The map with one reference forgotten."""
    whole = reference_map()
    left = tuple(one for one in whole.references[table] if one.column != column)
    return dataclasses.replace(whole, references={**whole.references, table: left})


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("tweb_keluarga", "nik_kepala"),
        pytest.param("menu", "parrent", marks=pytest.mark.soak),
        ("suplemen_terdata", "id_terdata"),
        ("program_peserta", "peserta"),
        pytest.param("pendapat", "pengguna", marks=pytest.mark.soak),
        pytest.param("analisis_respon_hasil", "id_subjek", marks=pytest.mark.soak),
    ],
)
def test_a_reference_that_was_not_moved(
    merger: Merger,
    other: Village,
    table: str,
    column: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moving = relations.Passage._value  # noqa: SLF001 - the fault is planted inside

    def forgetful(self: relations.Passage, of: str, name: str, value: str) -> str:
        return value if (of, name) == (table, column) else moving(self, of, name, value)

    monkeypatch.setattr(relations.Passage, "_value", forgetful)
    assert f"{table}: {column}" in refused(merger, other)


@pytest.mark.usefixtures("unchanged")
def test_a_reference_that_points_at_another_villages_row(
    merger: Merger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has it in the village; moved like the others, it is one of the next village's."""
    village, neighbour = merger.village(), merger.village()
    merger.merge(neighbour)
    far = SLOT_SIZE * (neighbour.number - village.number) + 1
    database = f"t_v{village.number}"
    merger.query(f"UPDATE {database}.persil SET cdesa_awal = %s WHERE id = 2", far)
    careless = relations.Passage._moved  # noqa: SLF001 - the fault is planted inside

    def moving(self: relations.Passage, column: str, _: str, __: str = "") -> str:
        return careless(self, column, f"{column} + {self.shift}")

    with monkeypatch.context() as patched:
        patched.setattr(relations.Passage, "_moved", moving)
        told = refused(merger, village)
    first = (village.number - 1) * SLOT_SIZE
    assert "persil: cdesa_awal>cdesa (refer, find, stray) [2, 2, 1]" in told
    assert f"rows {first + 2}" in told
    report = merger.merge(village)
    assert "beyond: persil.cdesa_awal>cdesa 1" in report["quality"]
    assert merger.query(f"SELECT cdesa_awal FROM t_gabungan.persil WHERE id = {first + 2}") in (
        [(None,)],
        [(0,)],
    )


@pytest.mark.usefixtures("unchanged")
def test_an_id_in_a_link_that_was_not_moved(
    merger: Merger, other: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "moved", lambda _shape, value, _move, _name="": value)
    assert links.ids_in("link", "artikel/1") == [("artikel", 1)]
    assert "menu: link>artikel" in refused(merger, other)


@pytest.mark.usefixtures("unchanged")
def test_events_that_lost_their_order(
    merger: Merger, other: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = relations.Passage._value  # noqa: SLF001 - the fault is planted inside

    def reversing(self: relations.Passage, table: str, name: str, value: str) -> str:
        if (table, name) in {("log_penduduk", "id"), ("log_keluarga", "id_log_penduduk")}:
            return f"IF({value} BETWEEN 1 AND 1000, 1001 - {value} + {self.shift}, {value})"
        return moving(self, table, name, value)

    monkeypatch.setattr(relations.Passage, "_value", reversing)
    assert "statistik: penduduk" in refused(merger, other)


@pytest.mark.usefixtures("unchanged")
def test_a_table_that_was_dropped(
    merger: Merger, other: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = exporting.write_tables

    def forgetful(*known: Any, changed: list[str], **more: Any) -> None:
        writing(*known, changed=[one for one in changed if one != "log_surat"], **more)

    monkeypatch.setattr(exporting, "write_tables", forgetful)
    assert "log_surat: rows 0 instead of 3" in refused(merger, other)


@pytest.mark.usefixtures("unchanged")
def test_rows_that_nobody_accounts_for(
    merger: Merger, other: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read and expected by the same condition, they would not be missed."""
    whole = relations.Scope.where

    def forgetful(self: relations.Scope, table: str, alias: str = "t") -> str:
        condition = whole(self, table, alias)
        return f"{condition} AND {alias}.id <> 2" if table == "agenda" else condition

    monkeypatch.setattr(relations.Scope, "where", forgetful)
    assert "agenda: rows accounted for 2 instead of 3" in refused(merger, other)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("DELETE FROM {}.artikel WHERE config_id = {}", "Handler_delete"),
        ("UPDATE {}.artikel SET judul = UUID() WHERE config_id = {}", "Handler_update"),
    ],
)
def test_rows_of_another_village(
    merger: Merger,
    merged: Village,
    other: Village,
    *,
    sql: str,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def careless(link: Any, *known: Any) -> int:
        with link.cursor() as cursor:
            cursor.execute(sql.format(merger.schema, merged.number))
        return clearing(link, *known)

    clearing = merging.clear
    monkeypatch.setattr(merging, "clear", careless)
    assert f"gabungan: {told} of rows" in refused(merger, other)


def test_a_column_that_is_too_narrow(merger: Merger, other: Village) -> None:
    merger.query("ALTER TABLE t_gabungan.artikel MODIFY judul VARCHAR(2)")
    try:
        told = refused(merger, other)
        first = (other.number - 1) * SLOT_SIZE
        assert "artikel: contents of judul" in told
        assert f"rows {first + 1}, {first + 2}, {first + 3}" in told
    finally:
        merger.query("ALTER TABLE t_gabungan.artikel MODIFY judul VARCHAR(200)")


@pytest.mark.usefixtures("unchanged")
def test_rows_under_a_key_that_already_stands_there(
    merger: Merger, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = merger.village()
    database = f"t_v{other.number}"
    merger.query(
        f"ALTER TABLE {database}.klasifikasi_surat ADD INDEX (config_id), DROP INDEX config_id_kode"
    )
    merger.query(f"UPDATE {database}.klasifikasi_surat SET kode = '001'")
    monkeypatch.setattr(describing, "_duplicates", lambda *_: [])
    assert "klasifikasi_surat" in refused(merger, other)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("share", ["masked", "withheld"])
def test_what_consent_does_not_allow(merger: Merger, other: Village, share: str) -> None:
    shares = merger.shares(kependudukan=share)
    told = refused(merger, other, shares=shares)
    # The first table that is found is named; residents are named in many.
    assert "rows that are withheld" in told or " unmasked in " in told


@pytest.mark.usefixtures("unchanged")
def test_a_secret_on_its_way(
    merger: Merger, other: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_hearted = dataclasses.replace(reference_map(), secrets={}, secret_settings="^$")
    order = merger.order(other, references=open_hearted)
    assert merger.export(order)
    with pytest.raises(Refusal) as told:
        merger.put(order)
    assert "user: password unmasked" in str(told.value)
    assert "setting_aplikasi: value unmasked" in str(told.value)


@pytest.mark.usefixtures("unchanged")
def test_a_merge_that_dies_on_its_way(
    merger: Merger, merged: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    merger.query(f"DELETE FROM t_v{merged.number}.artikel")
    order = merger.order(merged)
    assert merger.export(order)
    monkeypatch.setattr(merging, "write_identity", die)
    with pytest.raises(KeyboardInterrupt):
        merger.put(order)
    assert Consent(order.shares, order.references).of("artikel") == "full"
