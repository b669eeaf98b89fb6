"""What every test gets: an environment of its own, and a registry when it asks for one.

Heavier machinery lives in plugin modules beside this file.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Examples follow from the test alone: what passed once passes again, wherever it runs.
hypothesis.settings.register_profile("seeded", derandomize=True, deadline=None)
hypothesis.settings.load_profile("seeded")

pytest_plugins = [
    "tests.strict",
    "tests.statements",
    "tests.databases",
    "tests.engine",
    "tests.gabungans",
]


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine or of an installation reaches a test."""
    for name in os.environ:
        if name.startswith("SIAPPAKAI_") and not name.startswith("SIAPPAKAI_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SIAPPAKAI_STATE", str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def own_umask() -> Iterator[None]:
    """What a command called in this process makes of the umask ends with its test."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)
