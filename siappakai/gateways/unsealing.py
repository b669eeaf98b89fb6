"""Opening a backup with the recovery key: age and zstd, as a person would by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.wording import say

_SAID: Final = 2000
_PIECE: Final = 1 << 20
ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


@contextmanager
def unsealed(sealed: Iterable[bytes], identity: str) -> Iterator[IO[bytes]]:
    """Yield the archive in a sealed backup as it is decrypted, to be read to its end.

    The key reaches age through memory alone. Raises RefusedError for a wrong key and for what is
    damaged, at the end of the block at the latest; and what reading `sealed` raised.
    """
    require_programs()
    with _in_memory(identity) as key:
        unpack = ["zstd", "-q", "-d", "-c"]
        unlock = ["age", "--decrypt", f"--identity=/proc/self/fd/{key}"]
        pipe = subprocess.PIPE
        with (
            subprocess.Popen(
                unlock, stdin=pipe, stdout=pipe, stderr=pipe, env=ENVIRONMENT, pass_fds=(key,)
            ) as first,
            subprocess.Popen(
                unpack,
                stdin=first.stdout,
                stdout=pipe,
                stderr=subprocess.DEVNULL,
                env=ENVIRONMENT,
            ) as second,
        ):
            there(first.stdout).close()
            feeder = _Feeder(first, sealed)
            feeder.start()
            plain, broken = there(second.stdout), None
            try:
                yield plain
                while plain.read(_PIECE):
                    continue
            except BaseException as error:  # noqa: BLE001 - raised below, unless what was read was broken
                broken = error
                first.kill()
                second.kill()
            feeder.join()
            said, code = there(first.stderr).read(_SAID), first.wait()
            is_damaged = code > 0 or second.wait() > 0
    if feeder.problem is not None:
        raise feeder.problem
    if is_damaged:
        raise _refusal(said)
    if broken is not None:
        raise broken


def require_programs() -> None:
    for program in ("age", "zstd"):
        if shutil.which(program, path=ENVIRONMENT["PATH"]) is None:
            raise RefusedError(
                say("Program %(program)s tidak ada di mesin panel.", program=program),
                say("Sebagai root di mesin panel: apt install %(program)s.", program=program),
            )


class _Feeder(threading.Thread):
    """Gives age what is sealed, beside the thread that reads what it gives back."""

    def __init__(self, process: subprocess.Popen[bytes], sealed: Iterable[bytes]) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.sealed = sealed
        self.problem: SiapPakaiError | None = None

    def run(self) -> None:
        # Broken when age has given up; why is what it says.
        with suppress(BrokenPipeError), there(self.process.stdin) as pipe:
            try:
                for piece in self.sealed:
                    pipe.write(piece)
            except SiapPakaiError as problem:
                self.problem = problem


@contextmanager
def _in_memory(text: str) -> Iterator[int]:
    """Yield the descriptor of a file in memory."""
    descriptor = os.memfd_create("identity")
    try:
        os.write(descriptor, f"{text}\n".encode())
        yield descriptor
    finally:
        os.close(descriptor)


def there(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise OSError("a program was started without a pipe")
    return stream


def _refusal(said: bytes) -> RefusedError:
    if b"no identity matched" in said:
        return RefusedError(
            say("Kunci itu tidak membuka cadangan ini."),
            say("Pakai kunci pemulihan yang berlaku saat cadangan itu dibuat."),
        )
    return RefusedError(
        say("Cadangan itu rusak dan tidak dapat dibaca."),
        say("Pakai salinan di penyimpanan lain, atau cadangan yang lebih lama."),
    )
