"""What people read of a run's steps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from siappakai.web.steps import step_name

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
# Played by hand or by `make`, never through a run.
UNSHOWN = {"panel", "purge", "service", "service_remove", "stop"}
# Data of a play, not a playbook.
UNSHOWN |= {"references"}
BLOCKS = ("tasks", "handlers", "block", "rescue", "always")


def _files() -> list[Path]:
    found = [*PLAYBOOKS.glob("*.yml"), *PLAYBOOKS.glob("roles/*/tasks/*.yml")]
    found += PLAYBOOKS.glob("roles/*/handlers/*.yml")
    return sorted(path for path in found if not UNSHOWN & {path.stem, path.parents[1].name})


def _tasks(entries: list[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        if "hosts" not in entry and "block" not in entry:
            yield entry["name"]
        for block in BLOCKS:
            yield from _tasks(entry.get(block, []))


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(PLAYBOOKS)))
def test_every_task_has_words_of_the_panel(panel: Flask, path: Path):
    with panel.test_request_context():
        nameless = [name for name in _tasks(yaml.safe_load(path.read_text())) if _is_raw(name)]

    assert nameless == []


def _is_raw(name: str) -> bool:
    return step_name(name) == name


def test_a_task_without_words_keeps_its_own_name(panel: Flask):
    with panel.test_request_context():
        assert step_name("Paint the machine") == "Paint the machine"
        assert step_name("check") == "Periksa syarat"
