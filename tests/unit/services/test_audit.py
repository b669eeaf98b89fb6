"""The audit trail tells who did what, newest first, and nothing of what was rolled back."""

import pytest

from siappakai.models.transactions import transaction
from siappakai.services import audit
from tests.databases import every_database

pytestmark = [every_database, pytest.mark.usefixtures("registry")]


def _record(count: int, action: str = "village.register", by: str = "ani") -> None:
    with transaction():
        for number in range(count):
            audit.record(action, f"5102012{number:03}", by=by, detail={"number": number})


def test_entries_come_newest_first_and_paged() -> None:
    _record(7)
    page = audit.list_entries(page=2, per_page=3)
    assert [entry.detail["number"] for entry in page.items] == [3, 2, 1]
    assert (page.total, page.pages, page.has_previous, page.has_next) == (7, 3, True, True)


def test_a_page_beyond_the_last_is_the_last() -> None:
    _record(4)
    page = audit.list_entries(page=99, per_page=3)
    assert (page.page, len(page.items)) == (2, 1)


def test_entries_are_found_by_actor_action_and_subject() -> None:
    _record(2)
    _record(1, action="server.enrol", by="budi")
    assert audit.list_entries(actor="budi").total == 1
    assert audit.list_entries(action="village.").total == 2
    assert audit.list_entries(subject="2001").total == 1
    assert audit.list_entries(subject="%").total == 0


def test_what_is_rolled_back_leaves_no_entry() -> None:
    def fail() -> None:
        with transaction():
            audit.record("village.delete", "5102012001", by="ani")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert audit.list_entries().total == 0


def test_a_long_subject_is_cut() -> None:
    with transaction():
        audit.record("village.import", "x" * 500, by="ani")
    assert len(audit.list_entries().items[0].subject) == 160


def test_outside_a_transaction_nothing_can_be_noted() -> None:
    _record(1)
    with pytest.raises(KeyError):
        audit.record("village.delete", "5102012001", by="ani")
    assert audit.list_entries().total == 1
