"""Villages: registered against the official list, found by everything people know of them."""

import pytest
from flask import Flask

from siappakai.domain.states import SiteState
from siappakai.errors import ConflictError, InvalidInputError, NotFoundError
from siappakai.services import audit, official, places, villages
from tests.databases import every_database
from tests.factories import (
    BY,
    make_district,
    make_regency,
    make_release,
    make_server,
    make_site,
    make_village,
)
from tests.lists import as_csv, official_lines

pytestmark = [every_database, pytest.mark.usefixtures("registry")]


def _register(code: str = "51.02.01.2001", name: str = "Bajera", district: str = "") -> object:
    return villages.register_village(code=code, name=name, district_name=district, by=BY)


def _codes(**filters: object) -> list[str]:
    return [row.village.code[-4:] for row in villages.list_villages(**filters).items]


def test_a_village_is_registered_with_its_district() -> None:
    make_regency()
    _register(district="Selemadeg")
    village = villages.get_village("51.02.01.2001")
    assert (village.code, village.name, village.district.name) == (
        "5102012001",
        "Bajera",
        "Selemadeg",
    )
    entry = audit.list_entries(action="village.register").items[0]
    assert (entry.actor, entry.subject) == (BY, "5102012001")


def test_a_known_district_needs_no_name() -> None:
    make_district()
    _register()
    assert villages.get_village("5102012001").district.name == "Selemadeg"


@pytest.mark.parametrize(
    ("code", "name", "district", "field"),
    [
        ("5102", "Bajera", "Selemadeg", "kode_desa"),
        ("51.02.01.2001", " ", "Selemadeg", "nama_desa"),
        ("51.02.01.2001", "Bajera", "", "district_name"),
        ("13.07.01.2001", "Kurai", "Suliki", "code"),
    ],
)
def test_bad_input_names_its_field_and_changes_nothing(
    code: str, name: str, district: str, field: str
) -> None:
    make_regency()
    with pytest.raises(InvalidInputError) as caught:
        _register(code, name, district)
    assert caught.value.field == field
    assert caught.value.todo
    assert villages.list_villages().total == 0
    assert places.list_districts() == []
    assert audit.list_entries().total == 0


def test_a_village_is_registered_once() -> None:
    make_district()
    _register()
    with pytest.raises(ConflictError):
        _register(code="5102012001", name="Lain")
    assert villages.get_village("5102012001").name == "Bajera"


def test_with_an_official_list_a_code_must_be_on_it() -> None:
    official.load_official_list(as_csv(official_lines()), by=BY)
    _register()
    assert villages.get_village("5102012001").district.name == "Kecamatan 1"
    with pytest.raises(InvalidInputError, match="daftar resmi"):
        _register(code="51.02.01.2999", name="Khayalan")


def test_before_the_regency_is_set_no_village_is_registered() -> None:
    with pytest.raises(NotFoundError):
        _register(district="Selemadeg")


def test_a_village_is_renamed_and_the_trail_tells_from_what() -> None:
    village = make_village(name="Lama")
    villages.update_village(village.code, name="Baru", by=BY)
    villages.update_village(village.code, name="Baru", by=BY)
    assert villages.get_village(village.code).name == "Baru"
    trail = audit.list_entries(action="village.update").items
    assert [entry.detail for entry in trail] == [{"from": "Lama", "to": "Baru"}]


def test_a_village_that_is_not_there_is_said_so() -> None:
    with pytest.raises(NotFoundError):
        villages.get_village("5102012001")
    with pytest.raises(NotFoundError):
        villages.update_village("5102012001", name="x", by=BY)
    with pytest.raises(InvalidInputError):
        villages.get_village("5102")


def test_a_village_with_a_site_is_not_deleted() -> None:
    village = make_site().village
    with pytest.raises(ConflictError, match="masih memiliki situs"):
        villages.delete_village(village.code, by=BY)
    other = make_village()
    villages.delete_village(other.code, by=BY)
    assert villages.find_village(other.code) is None
    assert villages.find_village(village.code) is not None


@pytest.fixture
def fleet(registry: Flask) -> None:
    """Four villages: two active on releases of their own, one planned, one without a site."""
    selemadeg, timur = make_district(), make_district("510202", "Selemadeg Timur")
    bajera = make_village("5102012001", "Bajera", district=selemadeg)
    wanagiri = make_village("5102012002", "Wanagiri", district=selemadeg)
    megati = make_village("5102022003", "Megati", district=timur)
    make_village("5102022004", "Tangguntiti", district=timur)
    satu, dua = make_server("satu"), make_server("dua")
    make_site(bajera, satu, release=make_release("v2410.0.0"), domain="z.desa.id")
    make_site(wanagiri, dua, release=make_release("v2409.0.0"), domain="a.desa.id")
    make_site(megati, dua, domain="m.desa.id")


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["2001", "2002", "2003", "2004"]),
    ({"query": "GIRI"}, ["2002"]),
    ({"query": "timur"}, ["2003", "2004"]),
    ({"query": "51.02.02"}, ["2003", "2004"]),
    ({"query": "5102012001"}, ["2001"]),
    ({"query": "m.desa"}, ["2003"]),
    ({"query": "100%"}, []),
    ({"query": "_"}, []),
    ({"district": "51.02.01"}, ["2001", "2002"]),
    ({"server": "dua"}, ["2002", "2003"]),
    ({"state": "active"}, ["2001", "2002"]),
    ({"state": SiteState.PLANNED}, ["2003"]),
    ({"state": "none"}, ["2004"]),
    ({"release": "v2409.0.0"}, ["2002"]),
    ({"server": "dua", "state": "active", "query": "wana"}, ["2002"]),
]
SORTS = {
    "code": ["2001", "2002", "2003", "2004"],
    "-code": ["2004", "2003", "2002", "2001"],
    "name": ["2001", "2003", "2004", "2002"],
    "district": ["2001", "2002", "2003", "2004"],
    "-district": ["2003", "2004", "2001", "2002"],
    "domain": ["2002", "2003", "2001", "2004"],
    "-domain": ["2001", "2003", "2002", "2004"],
    "server": ["2002", "2003", "2001", "2004"],
    "state": ["2001", "2002", "2003", "2004"],
    "-release": ["2001", "2002", "2003", "2004"],
}


@pytest.mark.usefixtures("fleet")
def test_villages_are_found_by_everything_known_of_them() -> None:
    assert [(filters, _codes(**filters)) for filters, _ in FILTERS] == FILTERS


@pytest.mark.usefixtures("fleet")
def test_villages_are_sorted_those_without_a_value_last() -> None:
    assert {sort: _codes(sort=sort) for sort in SORTS} == SORTS


@pytest.mark.usefixtures("fleet")
def test_a_list_comes_in_pages() -> None:
    page = villages.list_villages(page=2, per_page=3)
    assert [row.village.name for row in page.items] == ["Tangguntiti"]
    assert (page.total, page.page, page.per_page, page.pages) == (4, 2, 3, 2)


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("page", "shown", "number"), [(1, ["2001", "2002"], 1), (2, ["2003"], 2), (9, ["2003"], 2)]
)
def test_what_was_searched_comes_in_pages_too(page: int, shown: list[str], number: int) -> None:
    make_village("5102012009", "Antap", district=make_district("510203", "Kerambitan"))
    found = villages.list_villages(query="desa.id", page=page, per_page=2)
    assert [row.village.code[-4:] for row in found.items] == shown
    assert (found.total, found.page) == (3, number)


@pytest.mark.usefixtures("fleet")
def test_a_row_carries_the_site_with_server_and_release() -> None:
    rows = {row.village.name: row.site for row in villages.list_villages().items}
    assert rows["Tangguntiti"] is None
    site = rows["Bajera"]
    assert site is not None
    assert site.release is not None
    assert (site.server.name, site.release.version) == ("satu", "v2410.0.0")


@pytest.mark.parametrize("filters", [{"sort": "password"}, {"state": "sleeping"}])
def test_unknown_filters_are_refused_by_name(filters: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        villages.list_villages(**filters)
    assert caught.value.field in filters
