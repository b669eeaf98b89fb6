"""The lookout: sees what is wrong and tells people, apart from clock and queue.

A process of its own, since whoever is told by the clock cannot notice that the clock is dead.
What may hang (a channel, a server) is done in a child each, which is killed after a while: a
channel that is down keeps neither its neighbours nor the next look waiting, nor any run.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from collections.abc import Callable
from datetime import datetime
from multiprocessing.context import ForkProcess
from types import FrameType
from typing import Final

from sqlalchemy.exc import DBAPIError

from siappakai.config import Settings
from siappakai.models import utc_now
from siappakai.models.app import open_registry
from siappakai.services import alerts, deliveries, own_certificate, rounds, watching

log = logging.getLogger("siappakai.lookout")

_CHILD_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.5
_FORK: Final = multiprocessing.get_context("fork")

Task = Callable[[int], None]
Key = tuple[str, int]


class Children:
    """Processes at work, one per channel and one per server at most."""

    def __init__(self, settings: Settings, limit_seconds: float = _CHILD_SECONDS) -> None:
        self._settings = settings
        self._limit = limit_seconds
        self._running: dict[Key, tuple[ForkProcess, float]] = {}

    def start(self, name: str, number: int, task: Task) -> None:
        """Do `task(number)` in a child unless one is still at it."""
        if (name, number) in self._running:
            return
        child = _FORK.Process(
            target=_in_child, args=(self._settings, task, number), name=f"{name}-{number}"
        )
        child.start()
        self._running[name, number] = (child, time.monotonic())

    def reap(self) -> None:
        """Let go of children that ended; kill those that take too long."""
        for key, (child, started) in list(self._running.items()):
            if child.is_alive() and time.monotonic() - started < self._limit:
                continue
            if child.is_alive():
                log.warning("%s %s took too long and was killed", *key)
            self._end(key)

    def stop(self) -> None:
        """Kill what is still at work; it is taken up again by the next lookout."""
        for key in list(self._running):
            self._end(key)

    @property
    def count(self) -> int:
        return len(self._running)

    def _end(self, key: Key) -> None:
        child, _ = self._running.pop(key)
        child.kill()
        child.join()
        child.close()


def _in_child(settings: Settings, task: Task, number: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with open_registry(settings):
        task(number)


def look(settings: Settings, children: Children, since: datetime) -> None:
    """Go round once: alerts, then a child for each channel and server that is due."""
    try:
        # Closed again before anything is forked: a connection must not be inherited.
        with open_registry(settings):
            alerts.review(since=since)
            channels, servers = deliveries.due_channels(), watching.due_servers()
            is_certificate_due = own_certificate.is_due()
            rounds.note_lookout()
    except DBAPIError as error:
        log.warning("the registry does not answer, trying again: %s", error)
        return
    for channel in channels:
        children.start("channel", channel, deliveries.deliver)
    for server in servers:
        children.start("server", server, watching.watch_server)
    if is_certificate_due:
        children.start("certificate", 0, own_certificate.look)


def run(settings: Settings) -> None:
    """Go round every `lookout_seconds` until SIGTERM or SIGINT."""
    stopped = _stop_flag()
    children, since = Children(settings), utc_now()
    try:
        while not stopped:
            look(settings, children, since)
            _wait(settings.lookout_seconds, children, stopped)
    finally:
        children.stop()


def _stop_flag() -> list[int]:
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopped


def _wait(seconds: float, children: Children, stopped: list[int]) -> None:
    until = time.monotonic() + seconds
    while not stopped and time.monotonic() < until:
        children.reap()
        time.sleep(min(_PAUSE_SECONDS, seconds))


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    run(Settings())
