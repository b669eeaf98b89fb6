"""An installed SiapPakai, called by its own command: each version knows its own registry."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from siappakai.errors import SiapPakaiError
from siappakai.wording import say

# What makes a program what it is; its dependencies are pinned by the lock.
_SOURCES: Final = ("siappakai", "playbooks", "templates", "pyproject.toml", "uv.lock")
# As long as the longest thing asked for: a migration of a large registry.
_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program in a folder of its own, named for what it holds."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    def call(self, *words: str) -> dict[str, Any]:
        """Return what a command prints as JSON; raises SiapPakaiError with its own words."""
        argv = [str(self.folder / "bin" / "siappakai"), *words, "--json"]
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=_SECONDS,
                cwd="/",
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._failed(words, str(error)) from None
        if done.returncode != 0:
            raise self._failed(words, _reason(done.stderr))
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def _failed(self, words: tuple[str, ...], reason: str) -> SiapPakaiError:
        return SiapPakaiError(
            say(
                "“siappakai %(command)s” dari %(program)s gagal: %(reason)s",
                command=" ".join(words),
                program=self.name,
                reason=reason,
            ),
            say("Perbaiki sebabnya, lalu ulangi perintah ini."),
        )


def _reason(told: str) -> str:
    """Return what a failed command said: its message, or the end of a traceback."""
    try:
        error = json.loads(told[told.index("{") :])["error"]
    except (ValueError, KeyError):
        return (told.strip().splitlines() or [""])[-1]
    return f"{error['what']} {error['todo']}".strip()


def fingerprint(source: Path) -> str:
    """Return twelve hexadecimal digits that stand for everything a checkout's program holds."""
    found = hashlib.sha256()
    for part in _SOURCES:
        for file in sorted(_files(source / part)):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            found.update(f"{file.relative_to(source)} {content}\n".encode())
    return found.hexdigest()[:12]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [one for one in path.rglob("*") if one.is_file() and one.parent.name != "__pycache__"]
