"""MariaDB's own clients, run so that what they are fed can harm nothing but one schema.

They run as an account without rights, forget their capabilities, write no file, and get their
password through a file in memory that nobody else can open.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from .outcome import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .account import Account

_MEMORY = 1 << 30
_LARGEST_STATEMENT = "256M"
_LOOK_SECONDS = 0.5
_SAID = 2000
# --sandbox takes the client's own commands away (`\!`, source, tee); so does --binary-mode, for
# all but DELIMITER. Both, since the first is younger than some servers.
_CLIENT = (
    "mariadb",
    "--sandbox",
    "--binary-mode",
    "--batch",
    "--silent",
    "--local-infile=0",
    "--skip-reconnect",
)
_DUMP = (
    "mariadb-dump",
    "--single-transaction",
    "--quick",
    "--skip-lock-tables",
    "--skip-add-locks",
    "--skip-comments",
    "--skip-triggers",
    "--hex-blob",
)


@dataclass(frozen=True)
class Access:
    """A way into one database over a unix socket."""

    socket: str
    database: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Bounds:
    """How much a load may take: seconds, bytes of SQL, bytes of tables on disk."""

    seconds: float = 3600.0
    sql_bytes: int = 16 << 30
    disk_bytes: int = 32 << 30


def load(
    access: Access,
    account: Account,
    sql: Iterable[bytes],
    bounds: Bounds,
    size: Callable[[], int],
) -> None:
    """Feed SQL to the client until its end or its first error.

    `size` tells the bytes the database takes on disk. Raises Refusal `dump_refused` with the
    server's words, `dump_too_large` or `dump_too_slow`; or what reading `sql` raised.
    """
    with _client(access, account, _CLIENT, stdin=subprocess.PIPE) as process:
        feeder = _Feeder(process, sql, bounds.sql_bytes)
        feeder.start()
        try:
            _watch(process, bounds, size)
        finally:
            process.kill()
            feeder.join()
        if feeder.failure is not None:
            raise feeder.failure
        said = (process.stderr.read(_SAID) if process.stderr else b"").decode(errors="replace")
    if process.returncode or said:
        raise refused(said.strip() or f"the client ended with {process.returncode}")


@contextmanager
def dump(access: Access, account: Account) -> Iterator[IO[bytes]]:
    """Yield a dump of the database as it is written; raises CalledProcessError at its end."""
    with _client(access, account, _DUMP, stdin=subprocess.DEVNULL) as process:
        if process.stdout is None or process.stderr is None:
            raise OSError("mariadb-dump has no output")
        try:
            yield process.stdout
        except BaseException:
            process.kill()
            raise
        said = process.stderr.read(_SAID)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, _DUMP, stderr=said)


class _Feeder(threading.Thread):
    """Writes to a client beside the thread that watches it."""

    def __init__(self, process: subprocess.Popen[bytes], sql: Iterable[bytes], limit: int) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.sql = sql
        self.left = limit
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            self._write()
        except BrokenPipeError:
            return  # the client has stopped, and says why
        except Exception as problem:  # noqa: BLE001 - kept, and raised where the load was asked for
            self.failure = problem
            self.process.kill()

    def _write(self) -> None:
        with self.process.stdin or open(os.devnull, "wb") as pipe:  # noqa: PTH123 - for the types alone: there is a pipe
            for chunk in self.sql:
                self.left -= len(chunk)
                if self.left < 0:
                    raise _too_large("the SQL file")
                pipe.write(chunk)


def _watch(process: subprocess.Popen[bytes], bounds: Bounds, size: Callable[[], int]) -> None:
    deadline = time.monotonic() + bounds.seconds
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)
            return
        if size() > bounds.disk_bytes:
            raise _too_large("what the SQL file makes")
        if time.monotonic() > deadline:
            raise Refusal(
                "dump_too_slow",
                f"Loading the SQL file took more than {bounds.seconds:.0f} seconds and was"
                " stopped. Nothing of it was kept. Look at what it does, or at the server's load.",
                seconds=int(bounds.seconds),
            )


def refused(reason: str) -> Refusal:
    """Return the refusal of a dump that asked for more than its own tables."""
    return Refusal(
        "dump_refused",
        f"The SQL file was refused: {reason}. It may hold tables and their rows, nothing for the"
        " server itself or for other databases: export it anew without CREATE DATABASE and USE,"
        " then try again.",
        reason=reason,
    )


def _too_large(what: str) -> Refusal:
    return Refusal(
        "dump_too_large",
        f"Loading was stopped, as {what} is larger than allowed. Nothing of it was kept."
        " Check the file; it may have been made to fill the disk.",
        what=what,
    )


@contextmanager
def _client(
    access: Access, account: Account, program: tuple[str, ...], *, stdin: int
) -> Iterator[subprocess.Popen[bytes]]:
    name, *options = program
    is_loading = stdin == subprocess.PIPE
    with _settings(access, account) as settings:
        argv = [
            *confined(account),
            name,
            f"--defaults-file=/proc/self/fd/{settings}",
            f"--max-allowed-packet={_LARGEST_STATEMENT}",
            "--default-character-set=utf8mb4",
            *options,
            access.database,
        ]
        with subprocess.Popen(  # noqa: S603 - an argv list of the system's own programs
            argv,
            stdin=stdin,
            stdout=subprocess.DEVNULL if is_loading else subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
            pass_fds=(settings,),
            cwd="/",
        ) as process:
            yield process


def confined(account: Account) -> list[str]:
    """Return what comes before a program's name so that it runs without rights, as `account`."""
    limits = ["prlimit", "--fsize=0", "--core=0", "--nofile=64", f"--as={_MEMORY}"]
    owner = [f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
    rights = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--pdeathsig=KILL"]
    return [*limits, "setpriv", *owner, *rights]


@contextmanager
def _settings(access: Access, account: Account) -> Iterator[int]:
    """Yield the descriptor of a client's settings, password and all, in memory."""
    descriptor = os.memfd_create("client.cnf")
    try:
        lines = (f"user={access.user}", f"password={access.password}", f"socket={access.socket}")
        os.write(descriptor, "\n".join(("[client]", "protocol=socket", *lines, "")).encode())
        os.fchown(descriptor, account.uid, account.gid)
        os.fchmod(descriptor, 0o400)
        yield descriptor
    finally:
        os.close(descriptor)
