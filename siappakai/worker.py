"""The three functions RQ ever calls, with ids only."""

from __future__ import annotations

import argparse
from functools import cache

from siappakai import dispatch
from siappakai.config import Settings
from siappakai.models.app import RegistryApp, registry_app
from siappakai.services import execution, registry_backups


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


def back_up_registry() -> None:
    """Back the registry up to the stores that are due."""
    with _app().app_context():
        registry_backups.carry_out()


def main() -> None:
    """Serve queues (`runs`, `settle`, `clock`) until told to stop, or ring the clock (`tick`)."""
    parser = argparse.ArgumentParser(prog="python -m siappakai.worker", description=main.__doc__)
    parser.add_argument("role", choices=[*dispatch.SERVED, "tick"])
    role = parser.parse_args().role
    if role == "tick":
        dispatch.run_clock(Settings())
    else:
        dispatch.work(Settings(), role)


if __name__ == "__main__":
    main()
