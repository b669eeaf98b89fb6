"""All services of a server that read the sites' settings, reloaded together."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .daemons import DaemonError, daemons_of
from .reloading import check_config, reload, require_prepared, require_sockets
from .run_folders import make_run_folders

if TYPE_CHECKING:
    from collections.abc import Callable


class Reload:
    """One graceful reload. `steps` tell what was done, also when it failed half-way."""

    def __init__(self, layout: dict[str, Any], *, php: bool = True, nginx: bool = True) -> None:
        self.layout = layout
        # The PHP-FPM masters first: nginx sends to them.
        self.daemons = [
            daemon
            for daemon in daemons_of(layout)
            if (php and daemon.name.startswith("php")) or (nginx and daemon.name == "nginx")
        ]
        self.steps: list[dict[str, Any]] = []

    def rehearse(self) -> None:
        """Test what is configured now; raises DaemonError."""
        # What a first run would only write cannot be tested.
        self.daemons = [daemon for daemon in self.daemons if Path(daemon.config).exists()]
        require_prepared(self.daemons)
        self._test()

    def perform(self, sockets: list[str]) -> None:
        """Test every configuration, reload, wait for `sockets`; raises DaemonError.

        When one configuration is bad nothing is reloaded.
        """
        require_prepared(self.daemons)
        make_run_folders(self.layout)
        self._test()
        for daemon in self.daemons:
            self._step(f"reload_{daemon.name}", partial(reload, daemon), changed=True)
        if sockets:
            self._step("await_sockets", partial(require_sockets, sockets))

    def _test(self) -> None:
        for daemon in self.daemons:
            self._step(f"test_{daemon.name}", partial(check_config, daemon))

    def _step(self, name: str, work: Callable[[], str | None], *, changed: bool = False) -> None:
        began = time.monotonic()
        step = {"name": name, "changed": changed, "detail": "", "seconds": 0.0}
        self.steps.append(step)
        try:
            step["detail"] = work() or ""
        except DaemonError as error:
            step.update(failed=True, changed=False, detail=str(error))
            raise
        finally:
            step["seconds"] = round(time.monotonic() - began, 3)
