"""Sealing files for the recovery key: tar, zstd and age, as a person opens them by hand."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from siappakai.errors import InvalidInputError, RefusedError, SiapPakaiError
from siappakai.gateways.unsealing import ENVIRONMENT, require_programs, there, unsealed
from siappakai.wording import say

_SAID: Final = 2000
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed file: its bytes, and their checksum."""

    size: int
    sha256: str


def seal(files: Mapping[str, Path | bytes], recipient: str, target: Path) -> Sealed:
    """Write an archive of `files` (by name, in order) to a new file, sealed for `recipient`.

    Raises SiapPakaiError when a program is missing or fails, or the disk is full; nothing is
    left then.
    """
    require_programs()
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            _pipe(files, recipient, file)
            os.fsync(file.fileno())
        return _summed(target)
    except OSError as problem:
        target.unlink(missing_ok=True)
        raise _failed(str(problem)) from problem
    except SiapPakaiError:
        target.unlink()
        raise


def _pipe(files: Mapping[str, Path | bytes], recipient: str, target: IO[bytes]) -> None:
    pipe = subprocess.PIPE
    pack_up = ["zstd", "-q", "-c"]
    lock = ["age", "--encrypt", f"--recipient={recipient}"]
    with (
        subprocess.Popen(
            pack_up,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
        ) as pack,
        subprocess.Popen(
            lock, stdin=pack.stdout, stdout=target, stderr=pipe, env=ENVIRONMENT
        ) as locked,
    ):
        there(pack.stdout).close()
        try:
            _write(files, there(pack.stdin))
        except BrokenPipeError:
            pack.kill()  # what ended before says why
        said = there(locked.stderr).read(_SAID).decode(errors="replace").strip()
        codes = locked.wait(), pack.wait()
    if any(codes):
        raise _failed(said or f"zstd {codes[1]}")


def _write(files: Mapping[str, Path | bytes], pipe: IO[bytes]) -> None:
    with pipe, tarfile.open(fileobj=pipe, mode="w|") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode = 0o600
            if isinstance(content, bytes):
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
                continue
            with content.open("rb") as file:
                entry.size = os.fstat(file.fileno()).st_size
                archive.addfile(entry, file)


def _summed(file: Path) -> Sealed:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Sealed(file.stat().st_size, digest)


@contextmanager
def opened(sealed: Iterator[bytes], identity: str) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Yield name and content of each file in what `seal` made, in order, to be read at once.

    Raises as `unsealed` does, InvalidInputError for what is no archive.
    """
    with unsealed(sealed, identity) as plain:
        try:
            yield _entries(plain)
        except (tarfile.TarError, EOFError):
            raise InvalidInputError(
                say("Isi cadangan itu bukan arsip."), say("Pakai cadangan yang lain.")
            ) from None


def _entries(plain: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=plain, mode="r|") as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is not None:
                yield entry.name, content


def _failed(reason: str) -> SiapPakaiError:
    return RefusedError(
        say("Cadangan tidak dapat disegel: %(reason)s.", reason=reason),
        say("Perbaiki sebabnya (disk, program yang kurang), lalu ulangi."),
    )
