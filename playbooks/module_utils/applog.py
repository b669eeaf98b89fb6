"""The application's own log: OpenSID tells of a failed migration nowhere else."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .opensid import ERROR_PATTERN, VISITORS_PATTERN
from .outcome import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ERROR = re.compile(ERROR_PATTERN)
_NAME = re.compile(r"log-\d{4}-\d{2}-\d{2}\.php")
# A health check reads the newest logs only, and of each the end.
_FILES = 2
_TAIL_BYTES = 1 << 20
# One error shall not make a site ill for ever. A day has a log of its own, and a log nobody wrote
# to for so long is history: an error counts for one to two days. The lines' own times are the
# village's, in a zone of its choice.
_HISTORY_SECONDS = 24 * 3600
_EXCERPT = 300


@dataclass(frozen=True)
class Mark:
    """A place in the logs: everything before it is history."""

    name: str
    offset: int


def mark_end(folder: str) -> Mark:
    """Return the place where the logs in `folder` end now."""
    names = _names(folder)
    if not names:
        return Mark("", 0)
    return Mark(names[-1], Path(folder, names[-1]).lstat().st_size)


def unknown_errors(folder: str, since: Mark, benign: Sequence[str]) -> list[str]:
    """Return the SQL errors logged after `since` that no `benign` expression matches.

    What a visitor can provoke at will does not count either, nor a log last written to more
    than a day ago.
    """
    harmless = [_compiled(pattern) for pattern in (VISITORS_PATTERN, *benign)]
    return [
        line[:_EXCERPT]
        for line in _lines(folder, since)
        if _ERROR.search(line) and not any(pattern.search(line) for pattern in harmless)
    ]


def _lines(folder: str, since: Mark) -> Iterator[str]:
    for name in [name for name in _names(folder) if name >= since.name][-_FILES:]:
        start = since.offset if name == since.name else 0
        yield from _tail(Path(folder, name), start).decode(errors="replace").splitlines()


def _tail(path: Path, start: int) -> bytes:
    # The village's PHP owns this folder: no link is followed, no pipe waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if found.st_mtime < time.time() - _HISTORY_SECONDS:
            return b""
        size = found.st_size
        file.seek(max(start, size - _TAIL_BYTES))
        return file.read(_TAIL_BYTES)


def _names(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
            )
    except FileNotFoundError:
        return []


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as problem:
        raise Refusal(
            "bad_benign_pattern",
            f"The release's pattern {pattern!r} is no regular expression: {problem}."
            " Correct it in the release catalogue.",
            pattern=pattern,
        ) from problem
