"""The two functions RQ ever calls, with ids only."""

from __future__ import annotations

from functools import cache

from siappakai.config import Settings
from siappakai.models.app import RegistryApp, registry_app
from siappakai.services import execution


@cache
def _app() -> RegistryApp:
    return registry_app(Settings())


def execute(run_id: int) -> None:
    """Play or settle a run."""
    with _app().app_context():
        execution.execute(run_id)


def tick() -> None:
    """Do the clock's round."""
    with _app().app_context():
        execution.tick()
