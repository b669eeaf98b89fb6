"""Commands on the machine this program runs on, for when it is a server itself."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from siappakai.domain.servers import Answer, CommandFailedError
from siappakai.errors import UnreachableError
from siappakai.wording import say

# Not the caller's: a program of ours is looked for where the system keeps programs.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_FOUND = 127
_PIECE = 1 << 18
_ENVIRONMENT = {"PATH": _PATH, "LC_ALL": "C.UTF-8"}


# adjtimex(2): what it returns while nobody keeps the clock right, and room for what it tells.
_TIME_ERROR = 5
_TIMEX_BYTES = 512


def is_clock_kept() -> bool | None:
    """Tell whether NTP or the like keeps this machine's clock right; None where one may not ask."""
    state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR


class LocalMachine:
    """Runs commands right here. `timeout` (seconds) is how long each may take."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def run(self, argv: Sequence[str], *, stdin: str = "") -> Answer:
        """Run `argv` and return how it ended; raises UnreachableError when it takes too long."""
        try:
            done = subprocess.run(
                list(argv),
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=self._timeout,
                env=_ENVIRONMENT,
            )
        except FileNotFoundError:
            return Answer(_NOT_FOUND, "", f"{argv[0]}: not found")
        except subprocess.TimeoutExpired:
            raise UnreachableError(
                say("Mesin ini tidak menjawab dalam batas waktu."),
                say("Periksa bebannya, lalu coba lagi."),
            ) from None
        return Answer(done.returncode, done.stdout, done.stderr)

    def stream(self, argv: Sequence[str]) -> Iterator[bytes]:
        """Yield what `argv` writes, piece by piece; raises CommandFailedError."""
        pipe = subprocess.PIPE
        with subprocess.Popen(list(argv), stdout=pipe, stderr=pipe, env=_ENVIRONMENT) as process:
            try:
                while process.stdout and (piece := process.stdout.read(_PIECE)):
                    yield piece
            except GeneratorExit:
                process.kill()
                raise
            _check(process, argv)

    def feed(self, argv: Sequence[str], pieces: Iterable[bytes]) -> None:
        """Give `argv` the pieces to read; raises CommandFailedError."""
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        with subprocess.Popen(
            list(argv), stdin=pipe, stdout=nothing, stderr=pipe, env=_ENVIRONMENT
        ) as process:
            try:
                with suppress(BrokenPipeError):
                    _write(process, pieces)
            except BaseException:
                process.kill()
                raise
            _check(process, argv)


def _write(process: subprocess.Popen[bytes], pieces: Iterable[bytes]) -> None:
    if process.stdin is None:
        raise OSError("a program was started without a pipe")
    with process.stdin as pipe:
        for piece in pieces:
            pipe.write(piece)


def _check(process: subprocess.Popen[bytes], argv: Sequence[str]) -> None:
    said = process.stderr.read().decode(errors="replace") if process.stderr else ""
    if process.wait() != 0:
        raise CommandFailedError(
            say(
                "%(program)s di mesin ini gagal: %(said)s",
                program=argv[0],
                said=said.strip()[-300:],
            ),
            say("Periksa berkas dan haknya, lalu coba lagi."),
        )
