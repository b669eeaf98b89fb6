"""Whether the panel of a service answers, asked over the socket that nginx uses."""

from __future__ import annotations

import http.client
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from siappakai.config import Settings
from siappakai.errors import SiapPakaiError
from siappakai.wording import say

_READY_SECONDS: Final = 90.0
_PAUSE_SECONDS: Final = 0.5
_ASK_SECONDS: Final = 10.0
_OK: Final = 200


def await_ready(settings: Settings, panel: Path, seconds: float | None = None) -> None:
    """Wait until the panel says it can answer people and play runs; raises SiapPakaiError."""
    until = time.monotonic() + (_READY_SECONDS if seconds is None else seconds)
    while (told := _ask(settings, panel)) != "":
        if time.monotonic() > until:
            raise SiapPakaiError(
                say("Panel tidak siap: %(reason)s", reason=told),
                say("Lihat: siappakai doctor, dan log di folder state."),
            )
        time.sleep(_PAUSE_SECONDS)


def headers_for(settings: Settings) -> dict[str, str]:
    """Return what as many proxies as are believed send for somebody who may watch."""
    near = next((str(network[0]) for network in settings.metrics_allowed), "")
    hops = [near] * max(1, settings.trusted_proxies) if near else []
    return {"Host": settings.allowed_hosts[0], "X-Forwarded-For": ", ".join(hops)}


def _ask(settings: Settings, panel: Path) -> str:
    """Return what keeps the panel from being ready; empty when nothing does."""
    headers = headers_for(settings)
    page = "/readyz" if headers["X-Forwarded-For"] else "/healthz"
    with closing(_PanelConnection(panel)) as connection:
        try:
            connection.request("GET", page, headers=headers)
            answer = connection.getresponse()
            told = answer.read().decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            return f"{panel}: {error}"
    return "" if answer.status == _OK else f"{answer.status} {told}"


class _PanelConnection(http.client.HTTPConnection):
    """HTTP over the panel's unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_ASK_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
