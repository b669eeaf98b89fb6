"""What every test gets: an environment of its own, and a registry when it asks for one.

Heavier machinery lives in plugin modules beside this file.
"""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.strict", "tests.statements", "tests.databases", "tests.engine"]


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine or of an installation reaches a test."""
    for name in os.environ:
        if name.startswith("SIAPPAKAI_") and not name.startswith("SIAPPAKAI_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SIAPPAKAI_STATE", str(tmp_path / "state"))
