"""Planted secrets, and looking for them where none may be."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

_PAUSE_SECONDS = 0.02
# Shorter texts are found by chance.
_LEAST_LENGTH = 8


@dataclass
class Planted:
    """Secrets by name. `hits` says where they were seen, `looks` how many processes were."""

    secrets: dict[str, str] = field(default_factory=dict)
    hits: set[str] = field(default_factory=set)
    looks: int = 0
    _needles: list[tuple[str, bytes]] = field(default_factory=list)

    def plant(self, **found: str) -> None:
        """Look for these from now on: as they are, in Base64, and as a part of an address."""
        for name, secret in found.items():
            assert len(secret) >= _LEAST_LENGTH, name
            forms = {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}
            self._needles = [*self._needles, *((name, form.encode()) for form in forms)]
            self.secrets[name] = secret

    def look(self, where: str, content: bytes | str) -> None:
        """Look through a text or a file's bytes."""
        haystack = content.encode() if isinstance(content, str) else content
        self.hits |= {f"{name} in {where}" for name, form in self._needles if form in haystack}

    def look_at_files(self, folders: Iterable[Path], *, but: Iterable[Path] = ()) -> int:
        """Look through all files below folders; return how many there were."""
        left_out, count = set(but), 0
        for folder in folders:
            for file in (one for one in folder.rglob("*") if one not in left_out):
                if file.is_file() and not file.is_symlink():
                    self.look(str(file), file.read_bytes())
                    count += 1
        return count

    def look_at_processes(self) -> None:
        """Look at the arguments and the environment of every process of this machine."""
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                for name in ("cmdline", "environ"):
                    self._look_at_process(folder, name)

    def _look_at_process(self, folder: Path, name: str) -> None:
        try:
            content = (folder / name).read_bytes()
        except OSError:
            return  # it has ended
        self.looks += 1
        self.look(f"{name} of {content[:60]!r}" if name == "cmdline" else name, content)


@contextmanager
def watching_processes(secrets: Mapping[str, str] | None = None) -> Iterator[Planted]:
    """Look at all processes over and over, until the end of the block."""
    planted, over = Planted(), threading.Event()
    planted.plant(**(secrets or {}))

    def watch() -> None:
        while not over.wait(_PAUSE_SECONDS):
            planted.look_at_processes()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield planted
    finally:
        over.set()
        watcher.join()
