"""A stream on its way to a sealed file and back: compressed by zstd, encrypted by age.

Both are standard programs, so that a backup can be opened without this one. Nothing of the
stream is kept in memory or, unencrypted, on disk.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from .outcome import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_PIECE = 1 << 20
_SAID = 2000
_NO_KEY_FITS = b"no identity matched"


@dataclass
class Sealed:
    """What became of a stream: bytes and SHA-256 of the sealed file, known at its end."""

    size: int = 0
    sha256: str = ""


@contextmanager
def sealing(target: Path, recipients: Sequence[str], told: Sealed) -> Iterator[IO[bytes]]:
    """Yield where to write; `target` is whole and on disk afterwards, or not there.

    Raises CalledProcessError or OSError.
    """
    lock = ["age", "--encrypt", *(f"--recipient={one}" for one in recipients)]
    try:
        with _started(["zstd", "-q", "-3", "-c"], lock) as (first, second):
            keeper = _Keeper(_there(second.stdout), target)
            keeper.start()
            try:
                with _there(first.stdin) as pipe:
                    yield pipe
            except BaseException:
                first.kill()
                second.kill()
                keeper.finish()
                raise
            keeper.finish()
        told.size, told.sha256 = keeper.size, keeper.digest.hexdigest()
    except BaseException:
        target.unlink(missing_ok=True)
        raise


@contextmanager
def opening(source: Path, identity: Path) -> Iterator[IO[bytes]]:
    """Yield what was sealed, as it is decrypted; to be read to its end.

    Raises Refusal `backup_wrong_key` or `backup_damaged`.
    """
    unlock = ["age", "--decrypt", f"--identity={identity}", str(source)]
    try:
        with _started(unlock, ["zstd", "-q", "-d", "-c"]) as (_, second):
            plain = _there(second.stdout)
            yield plain
            while plain.read(_PIECE):
                continue
    except subprocess.CalledProcessError as problem:
        raise _refusal(problem) from problem


class _Keeper(threading.Thread):
    """Writes a stream to a file and hashes it, beside the thread that feeds the programs."""

    def __init__(self, stream: IO[bytes], target: Path) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self.target = target
        self.size = 0
        self.digest = hashlib.sha256()
        self._failure: OSError | None = None

    def run(self) -> None:
        try:
            self._keep()
        except OSError as problem:  # a full disk; raised where the stream was asked for
            self._failure = problem
        finally:
            # Whoever feeds the programs then finds their pipe broken.
            self.stream.close()

    def finish(self) -> None:
        """Wait for the end; raises what went wrong."""
        self.join()
        if self._failure is not None:
            raise self._failure

    def _keep(self) -> None:
        descriptor = os.open(self.target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            while piece := self.stream.read(_PIECE):
                self.digest.update(piece)
                self.size += file.write(piece)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def _started(
    one: list[str], other: list[str]
) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """Start two programs, the second reading what the first writes; end both in every case.

    Raises CalledProcessError for the first of them that failed, whatever its reader made of it.
    """
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(one, stdin=pipe, stdout=pipe, stderr=pipe) as first,  # noqa: S603 - argv lists of the system's own programs
        subprocess.Popen(other, stdin=first.stdout, stdout=pipe, stderr=pipe) as second,  # noqa: S603 - see above
    ):
        _there(first.stdout).close()
        try:
            yield first, second
        except BaseException:
            first.kill()
            second.kill()
            _judge(first)
            raise
        _judge(first)
        _judge(second)


def _judge(program: subprocess.Popen[bytes]) -> None:
    """Wait for a program; raises CalledProcessError when it failed by itself."""
    said = _there(program.stderr).read(_SAID)
    code = program.wait()
    if code > 0:
        raise subprocess.CalledProcessError(code, program.args, stderr=said)


def _there(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise OSError("a program was started without a pipe")
    return stream


def _refusal(problem: subprocess.CalledProcessError) -> Refusal:
    said = problem.stderr or b""
    if _NO_KEY_FITS in said:
        return Refusal(
            "backup_wrong_key",
            "The key does not open this backup. Use the recovery key, or a server that held the"
            " proof key when the backup was taken.",
        )
    reason = said.decode(errors="replace").strip()[-300:]
    return Refusal(
        "backup_damaged",
        f"The backup is damaged and cannot be read: {reason}. Restore from another copy of it,"
        " or from an older backup.",
        reason=reason,
    )
