"""The regency, its districts and its official list."""

import pytest

from siappakai.errors import ConflictError, InvalidInputError, NotFoundError
from siappakai.services import audit, official, places
from tests.databases import every_database
from tests.factories import BY, make_district, make_regency
from tests.lists import as_csv, official_lines, real_list

pytestmark = [every_database, pytest.mark.usefixtures("registry")]


def _set(code: str = "51.02", name: str = "Tabanan", **more: str) -> object:
    return places.set_regency(code=code, name=name, province_name="Bali", by=BY, **more)


def test_a_regency_is_asked_for_before_it_is_set() -> None:
    assert places.find_regency() is None
    with pytest.raises(NotFoundError):
        places.get_regency()


def test_the_regency_is_set_with_its_words_and_changed() -> None:
    _set(village_word="Nagari", hamlet_word="jorong")
    regency = places.get_regency()
    assert (regency.code, regency.province_code) == ("5102", "51")
    assert (regency.village_word, regency.hamlet_word) == ("nagari", "jorong")
    _set(name="Kabupaten Tabanan")
    assert places.get_regency().name == "Kabupaten Tabanan"
    assert audit.list_entries(action="regency.set").total == 2


def test_another_regency_replaces_one_without_districts_only() -> None:
    _set()
    _set(code="1307", name="Lima Puluh Kota")
    assert places.get_regency().code == "1307"
    places.set_district(code="130701", name="Suliki", by=BY)
    with pytest.raises(ConflictError):
        _set()
    assert places.get_regency().code == "1307"


@pytest.mark.parametrize(
    ("field", "value"),
    [("code", "51"), ("name", " "), ("village_word", "d3sa"), ("hamlet_word", "")],
)
def test_bad_input_names_its_field_and_changes_nothing(field: str, value: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        _set(**{field: value})
    assert caught.value.field == field
    assert places.find_regency() is None
    assert audit.list_entries().total == 0


def test_districts_are_registered_renamed_and_listed() -> None:
    make_regency()
    places.set_district(code="51.02.02", name="Selemadeg Timur", by=BY)
    places.set_district(code="510201", name="Selemadeg", by=BY)
    places.set_district(code="510201", name="Selemadeg Induk", by=BY)
    assert [(row.code, row.name) for row in places.list_districts()] == [
        ("510201", "Selemadeg Induk"),
        ("510202", "Selemadeg Timur"),
    ]


def test_a_district_of_another_regency_is_refused() -> None:
    make_regency()
    with pytest.raises(InvalidInputError) as caught:
        places.set_district(code="130701", name="Suliki", by=BY)
    assert caught.value.field == "code"
    assert places.list_districts() == []


def test_the_official_list_sets_the_regency_and_names_the_districts() -> None:
    assert official.load_official_list(as_csv(official_lines()), by=BY) == 133
    regency = places.get_regency()
    assert (regency.code, regency.name, regency.province_name) == ("5102", "Tabanan", "Bali")
    assert len(places.list_districts()) == 10
    row = places.find_official("5102012001")
    assert row is not None
    assert row.name == "Desa 1-1"


def test_a_new_official_list_replaces_the_old_one() -> None:
    make_district("510201", "Nama Lama")
    official.load_official_list(as_csv(official_lines()), by=BY)
    assert places.list_districts()[0].name == "Kecamatan 1"
    assert official.load_official_list(as_csv(official_lines()[:5]), by=BY) == 5
    assert places.find_official("5102102001") is None


def test_a_list_of_several_regencies_is_cut_down_to_ours() -> None:
    other = {**official_lines()[0], "kode_desa": "51.01.01.2001", "nama_kabupaten": "KAB. X"}
    content = as_csv([other, *official_lines()])
    with pytest.raises(InvalidInputError) as caught:
        official.load_official_list(content, by=BY)
    assert caught.value.field == "file"
    make_regency()
    assert official.load_official_list(content, by=BY) == 133


def test_a_list_without_our_villages_is_refused() -> None:
    make_regency("1307", "Lima Puluh Kota")
    with pytest.raises(InvalidInputError):
        official.load_official_list(as_csv(official_lines()), by=BY)
    assert not places.has_official_list()


def test_a_bad_line_is_named_and_nothing_is_loaded() -> None:
    lines = official_lines()
    lines[40]["kode_desa"] = "51.02"
    with pytest.raises(InvalidInputError, match="Baris 42"):
        official.load_official_list(as_csv(lines), by=BY)
    assert places.find_regency() is None
    assert not places.has_official_list()


@pytest.mark.parametrize(
    ("file", "villages", "name"),
    [("wilayah_51.02.csv", 133, "Tabanan"), ("wilayah_13.07.csv", 79, "Lima Puluh Kota")],
)
def test_the_real_lists_load_whole(file: str, villages: int, name: str) -> None:
    assert official.load_official_list(real_list(file), by=BY) == villages
    assert places.get_regency().name == name
