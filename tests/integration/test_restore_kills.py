"""Kill -9 at any moment of a restore: the village serves what it served, and no row is lost."""

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Any

import pytest

from playbooks.module_utils import aside, journals, one_table, restoring, switching
from playbooks.module_utils.mariadb import administrator
from playbooks.module_utils.outcome import Refusal, Steps
from playbooks.module_utils.restoring import restore
from playbooks.module_utils.switching import settle
from tests.restores import Village, with_mistake

pytestmark = [
    pytest.mark.integration,
    pytest.mark.patient,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are restored as root"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def village(lived_in: Village) -> Iterator[Village]:
    yield from with_mistake(lived_in)


# Where a kill hits: the module, the function, and whether before or after its work.
_POINTS = [
    ("aside.prepare", "after"),
    ("aside.receive_tables", "after"),
    ("closing.close", "after"),
    ("aside.switch_folder", "before"),
    ("aside.switch_folder", "after"),
    ("aside.switch_tables", "before"),
    ("aside.switch_tables", "after"),
    ("aside.make_programs", "after"),
    ("restoring.require_well", "before"),
    ("restoring.require_well", "after"),
]

# By then the site was open with what was brought back.
_SERVED = [("restoring.require_well", "before"), ("restoring.require_well", "after")]
_IN_THE_GATE = [("aside.switch_tables", "after")]


@pytest.mark.parametrize(
    ("name", "when"),
    [
        pytest.param(*point, marks=[] if point in _IN_THE_GATE else [pytest.mark.soak])
        for point in _POINTS
    ],
)
def test_a_kill_at_any_moment_leaves_the_village_as_it_was(
    village: Village, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    _killed_at(name, when, monkeypatch, lambda: restore(village.order(), village.wish, Steps()))
    _settle(village)
    assert village.is_now()
    if (name, when) in _SERVED:
        assert village.forget(), "people may have used it meanwhile"
    assert journals.read(village.host.site.folder) is None
    restore(village.order(), village.wish, Steps())
    assert village.is_then()


def test_what_was_entered_before_a_killed_restore_was_settled_is_kept(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    _killed_at(*_SERVED[0], monkeypatch, lambda: restore(village.order(), village.wish, Steps()))
    assert village.is_then()
    village.query("UPDATE tweb_penduduk SET nama = 'Baru' WHERE nama = 'Made'")
    with pytest.raises(Refusal, match="not settled yet"):
        journals.require_rest(asdict(village.host.site))
    _settle(village)
    assert village.is_now()
    village.take_back(2)
    assert village.people() == ["Baru", "Wayan"]


@pytest.mark.soak
@pytest.mark.parametrize(("name", "when"), [_POINTS[3], _POINTS[6]])
def test_a_kill_while_it_is_taken_back_leaves_what_served(
    village: Village, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    restore(village.order(), village.wish, Steps())
    _killed_at(name, when, monkeypatch, lambda: village.take_back(2))
    _settle(village)
    assert village.is_then()
    village.take_back(3)
    assert village.is_now()


@pytest.mark.soak
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["one_table.save", "one_table.fill", "one_table.replace_rows"])
def test_a_kill_while_one_table_is_switched_loses_no_row(
    village: Village, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    wish = village.asks(scope="table:tweb_penduduk")
    _killed_at(name, when, monkeypatch, lambda: restore(village.order(), wish, Steps()))
    _settle(village)
    assert village.is_now()
    restore(village.order(), wish, Steps())
    village.query("UPDATE tweb_penduduk SET nama = 'Kerja' WHERE nama = 'Made'")
    _killed_at(name, when, monkeypatch, lambda: village.take_back(2))
    _settle(village)
    assert village.people() == ["Kerja", "Wayan"], "what was entered since stays"
    assert [name for name in _tables(village) if name.startswith("siappakai_")] == []
    village.take_back(3)
    assert village.is_now()


def _tables(village: Village) -> list[str]:
    return [name for (name,) in village.query("SHOW TABLES")]


def _settle(village: Village) -> None:
    layout = village.fleet.layout
    with closing(administrator(layout.db_socket)) as admin:
        settle(layout.as_vars(), asdict(village.host.site), admin)


def _killed_at(
    name: str, when: str, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]
) -> None:
    """Do it in a child that dies as by kill -9."""
    where, _, function = name.partition(".")
    owners = {"aside": aside, "closing": switching.closing, "one_table": one_table}
    owner = {**owners, "restoring": restoring}[where]
    real = getattr(owner, function)

    def deadly(*given: Any, **named: Any) -> Any:
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = real(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return done

    child = os.fork()
    if child == 0:
        try:
            monkeypatch.setattr(owner, function, deadly)
            work()
        finally:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{name} was not reached"
