"""Others that back up the same villages: restic for everything, mydumper for databases alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

# As many villages at once as we and the floor.
AT_ONCE = 2


@dataclass(frozen=True)
class Peers:
    """What is backed up, and a folder to put it in. Figures are seconds; None: not installed."""

    folder: Path
    socket: str
    databases: dict[str, str]
    uploads: dict[str, str]

    def restic(self) -> tuple[float, float] | None:
        """Take and restore all villages with restic, their dumps made before each."""
        if shutil.which("restic") is None:
            return None
        known = {
            "RESTIC_REPOSITORY": str(self.folder / "restic"),
            "RESTIC_PASSWORD": "bench",
            "RESTIC_CACHE_DIR": str(self.folder / "restic-cache"),
        }
        environment = {**os.environ, **known}
        _run(["restic", "init"], environment)

        def take(code: str) -> None:
            dump = self._dump(code)
            _run(["restic", "backup", "--tag", code, str(dump), self.uploads[code]], environment)

        def restore(code: str) -> None:
            target = str(self.folder / "restic-back" / code)
            _run(["restic", "restore", "latest", "--tag", code, "--target", target], environment)
            self._load(code, Path(target + str(self._dump_file(code))))

        return self._timed(take), self._timed(restore)

    def mydumper(self) -> tuple[float, float] | None:
        """Dump and load the databases with mydumper and myloader."""
        if shutil.which("mydumper") is None:
            return None
        (self.folder / "mydumper").mkdir()
        login = ["--socket", self.socket, "--user", "root", "--threads", "2", "--verbose", "1"]

        def take(code: str) -> None:
            target = ["--database", self.databases[code], "--outputdir", self._folder_of(code)]
            _run(["mydumper", *login, *target, "--compress", "--trx-consistency-only"])

        def restore(code: str) -> None:
            target = ["--database", f"peer_{code}", "--directory", self._folder_of(code)]
            _run(["myloader", *login, *target])

        return self._timed(take), self._timed(restore)

    def clear(self) -> None:
        """Drop what was loaded."""
        for code in self.databases:
            self._sql("--execute", f"DROP DATABASE IF EXISTS `peer_{code}`")

    def _timed(self, work: Callable[[str], None]) -> float:
        began = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(work, self.databases))
        return round(time.monotonic() - began, 2)

    def _folder_of(self, code: str) -> str:
        return str(self.folder / "mydumper" / code)

    def _dump_file(self, code: str) -> Path:
        return self.folder / f"{code}.sql"

    def _dump(self, code: str) -> Path:
        options = ["--no-defaults", "--user=root", f"--socket={self.socket}"]
        options += ["--single-transaction", "--quick", "--routines", "--triggers"]
        with self._dump_file(code).open("wb") as file:
            subprocess.run(
                ["mariadb-dump", *options, self.databases[code]], check=True, stdout=file
            )
        return self._dump_file(code)

    def _load(self, code: str, dump: Path) -> None:
        name = f"peer_{code}"
        self._sql("--execute", f"CREATE OR REPLACE DATABASE `{name}` CHARACTER SET utf8mb3")
        with dump.open("rb") as file:
            self._sql(name, stdin=file)

    def _sql(self, *words: str, stdin: object = None) -> None:
        options = ["--no-defaults", "--user=root", f"--socket={self.socket}"]
        subprocess.run(["mariadb", *options, *words], check=True, stdin=stdin)  # type: ignore[call-overload] # an open file or nothing


def _run(argv: Sequence[str], environment: dict[str, str] | None = None) -> None:
    subprocess.run(argv, check=True, env=environment, stdout=subprocess.DEVNULL)
