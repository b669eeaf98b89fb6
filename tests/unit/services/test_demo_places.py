"""With the demonstration go the places it registered itself, and no others."""

import pytest

from siappakai.errors import ConflictError
from siappakai.models.transactions import transaction
from siappakai.services import demo, demo_places, places, villages
from tests.factories import BY, make_district, make_village

pytestmark = pytest.mark.usefixtures("registry")


def register() -> None:
    with transaction():
        demo.register_places()


def test_all_of_a_demonstration_alone_goes() -> None:
    register()
    register()
    assert len(demo_places.noted()) == 5
    assert demo.forget_places()
    assert places.find_regency() is None
    assert not demo.forget_places()


def test_what_was_there_before_stays() -> None:
    district = make_district("510205", "Tabanan")
    own = make_village("5102052001", "Sudimara", district=district)
    register()
    demo.forget_places()
    assert [row.village.code for row in villages.list_villages().items] == [own.code]
    assert places.get_regency().code == "5102"


def test_another_regency_is_told_to_clean_the_demonstration() -> None:
    register()
    other = {"code": "5103", "name": "Badung", "province_name": "Bali", "by": BY}
    with pytest.raises(ConflictError, match="make clean-demo"):
        places.set_regency(**other)
    make_village("5102012001")
    with pytest.raises(ConflictError, match="registri baru"):
        places.set_regency(**other)
