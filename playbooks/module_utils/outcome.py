"""What a module tells: its steps with their timings, and why it refused."""

from __future__ import annotations

import lzma
import subprocess
import tarfile
import time
import zlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

try:
    from pymysql import MySQLError as MySQLError  # noqa: PLC0414 - given on to the others
except ModuleNotFoundError:  # driver.connect says so when a database is needed

    class MySQLError(Exception):  # type: ignore[no-redef]
        """Never raised: there is no driver that could."""


if TYPE_CHECKING:
    from collections.abc import Iterator

# What reading a damaged archive raises, compressed or not.
_UNREADABLE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)
# What can go wrong on a healthy program's way: the machine, a child process, the database, an
# archive that arrived damaged.
EXPECTED = (OSError, subprocess.SubprocessError, MySQLError, *_UNREADABLE)


class Refusal(Exception):  # noqa: N818 - it is a decision, told to a person
    """A module stops; `code` and `params` are for programs, the message for people.

    The message says what happened and what to do now.
    """

    def __init__(self, code: str, message: str, **params: object) -> None:
        super().__init__(message)
        self.code = code
        self.params = params


@dataclass
class Step:
    """One step of a module; `seconds` is filled when it ends."""

    name: str
    seconds: float = 0.0
    changed: bool = False
    detail: str = ""
    failed: bool = False


class Steps:
    """The steps of one module call, in order."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time one step; an exception marks it failed and goes on its way."""
        step = Step(name)
        self._steps.append(step)
        began = time.monotonic()
        step.failed = True
        try:
            yield step
            step.failed = False
        finally:
            step.seconds = round(time.monotonic() - began, 4)

    @property
    def changed(self) -> bool:
        return any(step.changed for step in self._steps)

    def result(self) -> dict[str, Any]:
        """Return what every module of a site returns, success or not."""
        rows = [asdict(step) for step in self._steps]
        for row in rows:
            if not row["failed"]:
                del row["failed"]
        return {"changed": self.changed, "steps": rows}


def failure(problem: Exception) -> dict[str, Any]:
    """Return `msg` and `error` for a refusal or one of EXPECTED."""
    if isinstance(problem, Refusal):
        return {"msg": str(problem), "error": {"code": problem.code, "params": problem.params}}
    reason = _reason(problem)
    return {
        "msg": f"The server answered with an error: {reason}. Mend that, then run this again.",
        "error": {"code": _code(problem), "params": {"reason": reason}},
    }


def _reason(problem: Exception) -> str:
    if isinstance(problem, subprocess.CalledProcessError):
        said = problem.stderr or b""
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        return f"{problem.cmd[0]} ended with {problem.returncode}: {text.strip()[-500:]}"
    if isinstance(problem, MySQLError):
        return "MariaDB: " + ", ".join(str(part) for part in problem.args)
    if isinstance(problem, _UNREADABLE):
        return f"an archive is damaged: {type(problem).__name__}: {problem}"
    return f"{type(problem).__name__}: {problem}"


def _code(problem: Exception) -> str:
    if isinstance(problem, MySQLError):
        return "database_error"
    if isinstance(problem, _UNREADABLE):
        return "archive_damaged"
    if isinstance(problem, subprocess.SubprocessError):
        return "program_failed"
    return "system_error"
