"""The run engine at work and under attack: whatever is killed, every run comes to an end."""

from __future__ import annotations

import os

import pytest

from siappakai.domain.states import RunState
from tests.engine import Engine

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(900),
]

PARTS = ("redis", "clock-worker", "clock", "worker-1")


def test_three_villages_are_installed_through_the_queue(engine: Engine) -> None:
    engine.start(*PARTS)
    planned = engine.villages(3)
    run = engine.settle(engine.install(planned), 180)
    assert run.state is RunState.SUCCEEDED, engine.told(run)
    engine.complete(run, planned)
    steps = [step.name for step in run.targets[0].steps]
    assert steps[0] == "check"
    assert steps[-1] == "health"
