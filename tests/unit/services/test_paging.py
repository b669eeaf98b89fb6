import pytest

from siappakai.services.paging import page_of


@pytest.mark.parametrize(
    ("page", "items", "number", "has_next"),
    [
        (1, [0, 1, 2], 1, True),
        (2, [3, 4, 5], 2, True),
        (3, [6], 3, False),
        (99, [6], 3, False),
        (-1, [0, 1, 2], 1, True),
    ],
)
def test_a_list_at_hand_is_cut_into_pages(
    page: int, items: list[int], number: int, *, has_next: bool
):
    found = page_of(range(7), page=page, per_page=3)
    assert (found.items, found.page, found.has_next) == (items, number, has_next)
    assert (found.total, found.pages) == (7, 3)


def test_nothing_is_one_empty_page():
    found = page_of([], page=1, per_page=3)
    assert (found.items, found.pages, found.has_next) == ([], 1, False)
