"""Kill -9 at any moment of a recovery: asked for again, it ends as if nothing had been."""

import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from siappakai.config import Settings
from siappakai.credentials import read_keys
from siappakai.errors import ConflictError
from siappakai.models import Run, User, db
from siappakai.models.app import open_registry
from siappakai.services import recovery, recovery_aftermath, settings
from tests.factories import make_run, make_user
from tests.integration import test_recovery
from tests.integration.test_recovery import Panel, bring_back

pytestmark = [pytest.mark.integration, pytest.mark.patient]
service, panel, bare = test_recovery.service, test_recovery.panel, test_recovery.bare

_STAGES = [
    ("restore_registry", "before"),
    ("restore_registry", "after"),
    ("write_key_ring", "after"),
    ("upgrade_registry", "after"),
    ("recovery_aftermath.settle", "after"),
    ("recovering.end", "before"),
]
_IN_THE_GATE = [("upgrade_registry", "after")]


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param(stage, marks=[] if stage in _IN_THE_GATE else [pytest.mark.soak])
        for stage in _STAGES
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("replaces", ["", pytest.param("--replace", marks=pytest.mark.soak)])
def test_a_killed_recovery_is_ended_by_the_next(
    panel: Panel,
    bare: Settings,
    monkeypatch: pytest.MonkeyPatch,
    stage: tuple[str, str],
    replaces: str,
) -> None:
    queued = make_run("remove", targets=[panel.site]).id
    panel.back_up()
    if replaces:
        bring_back(bare, panel)
        with open_registry(bare):
            make_user("wayan")
    again = {"replaces": bool(replaces)}
    _killed_at(*stage, monkeypatch, lambda: bring_back(bare, panel, **again))
    if (stage[0], again["replaces"]) == ("write_key_ring", True):
        # While what is there was being copied: nothing of it was touched.
        assert not (bare.state / "recovery.json").exists()
    else:
        with pytest.raises(ConflictError, match="terputus"), open_registry(bare):
            pytest.fail("what is half brought back was opened")
        again = {}
    done = bring_back(bare, panel, **again)
    kept = sorted(bare.state.glob("before-recovery-*"))
    assert kept == ([done.before] if replaces else [])
    assert not list(bare.state.glob(".re*"))
    assert not (bare.state / "recovery.json").exists()
    assert read_keys(bare.credentials_file) == read_keys(panel.settings.credentials_file)
    with open_registry(bare):
        assert db.session.get_one(Run, queued).state.value == "cancelled"
        assert [one.username for one in db.session.query(User)] == ["ketut"]
        assert settings.is_draining()
    if done.before is not None:
        with open_registry(_at(done.before)):
            names = {one.username for one in db.session.query(User)}
        assert names == {"ketut", "wayan"}, "what was there at first, not what was half done"


@pytest.mark.soak
def test_a_recovery_that_fails_after_one_was_killed_takes_back_what_was_there_at_first(
    panel: Panel, bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.back_up()
    bring_back(bare, panel)
    with open_registry(bare):
        make_user("wayan")
    _killed_at(*_STAGES[1], monkeypatch, lambda: bring_back(bare, panel, replaces=True))

    def fail(*_: object, **__: object) -> None:
        raise ConflictError("tersandung")

    monkeypatch.setattr(recovery_aftermath, "settle", fail)
    with pytest.raises(ConflictError, match="tersandung"):
        bring_back(bare, panel)
    with open_registry(bare):
        assert "wayan" in {one.username for one in db.session.query(User)}


def _at(before: Path) -> Settings:
    return Settings(state=before, database_url=f"sqlite:///{before}/registry")


def _killed_at(
    name: str, when: str, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]
) -> None:
    """Do it in a child that dies as by kill -9."""
    owner: Any = recovery
    *path, function = name.split(".")
    for part in path:
        owner = getattr(owner, part)
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
