"""Graceful reload of PHP-FPM and nginx: tested first, and waited for."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from .daemons import (
    Daemon,
    DaemonError,
    accepts,
    clean_environment,
    running_pid,
    start,
)
from .processes import PROC, wait_until

_FILE = re.compile(r"(/[\w./-]+\.(?:conf|ini))(?::(\d+))?")
_POOL = re.compile(r"\[pool ([\w.-]+)\]")


def require_prepared(daemons: Iterable[Daemon]) -> None:
    """Raise DaemonError naming the first daemon this server is not set up for."""
    for daemon in daemons:
        if not (Path(daemon.program).exists() and Path(daemon.config).exists()):
            raise DaemonError(
                "server_not_prepared",
                f"{daemon.name} is not set up on this server. Prepare the server, then run again.",
                daemon=daemon.name,
            )


def check_config(daemon: Daemon) -> None:
    """Raise DaemonError naming the file when the daemon would not accept its configuration."""
    arguments = ["-t", "-c" if daemon.name == "nginx" else "-y", daemon.config]
    tested = subprocess.run(  # noqa: S603 - fixed programs, no shell
        [daemon.program, *arguments],
        capture_output=True,
        check=False,
        env=clean_environment(daemon),
        text=True,
        timeout=60,
    )
    if tested.returncode == 0:
        return
    said = (tested.stderr + tested.stdout).strip()[-1500:]
    file = blamed_file(said, daemon.config)
    raise DaemonError(
        "nginx_config_invalid" if daemon.name == "nginx" else "php_config_invalid",
        f"{daemon.name} does not accept {file}: {said} Nothing was reloaded. Correct or remove"
        " that file and run again.",
        daemon=daemon.name,
        file=file,
        output=said,
    )


def blamed_file(said: str, config: str) -> str:
    """Return the file a test's output complains of, with its line when it names one."""
    files = [match for match in _FILE.finditer(said) if match[1] != config or match[2]]
    if files:
        return files[0][0]
    pool = _POOL.search(said)
    return _file_of_pool(pool[1], config) if pool else config


def _file_of_pool(pool: str, config: str) -> str:
    heading = f"[{pool}]"
    for file in sorted((Path(config).parent / "pool.d").glob("*.conf")):
        if heading in file.read_text(encoding="utf-8", errors="replace").splitlines():
            return str(file)
    return config


def reload(daemon: Daemon) -> str:
    """Make a daemon take its configuration; return "reloaded", or "started" if it was down.

    Raises DaemonError when it does not serve afterwards.
    """
    pid = running_pid(daemon)
    taken = pid is not None and (_reload_nginx if daemon.name == "nginx" else _reload_php)(
        daemon, pid
    )
    if running_pid(daemon) is None:
        start(daemon)
        return "started"
    if not taken:
        raise DaemonError(
            "not_reloaded",
            f"{daemon.name} did not take its new configuration within"
            f" {daemon.patience_seconds} s. Read {daemon.log}, correct the cause and run again.",
            daemon=daemon.name,
            log=daemon.log,
        )
    return "reloaded"


def _reload_nginx(daemon: Daemon, pid: int) -> bool:
    """Whether new workers hear visitors, alone; the old ones finish their requests beside them.

    For a moment both do: who asks then may be answered by the old configuration.
    """
    old = children(pid)
    os.kill(pid, signal.SIGHUP)
    return wait_until(
        lambda: bool(children(pid) - old) and all(map(_leaves, old)), daemon.patience_seconds
    )


def _leaves(worker: int) -> bool:
    """Whether a worker of nginx is gone or, by the title it gives itself, on its way."""
    try:
        title = (PROC / f"{worker}/cmdline").read_bytes()
    except OSError:
        return True
    return b"shutting down" in title or not title


def _reload_php(daemon: Daemon, pid: int) -> bool:
    """Whether the master began anew: it writes its pid file once every pool listens.

    It keeps its process id, but while it becomes its own new program it has no command line to
    be known by: only the process itself tells that it is gone.
    """
    written = _written(daemon.pid_file)
    os.kill(pid, signal.SIGUSR2)
    wait_until(
        lambda: _written(daemon.pid_file) not in {written, None} or _has_ended(pid),
        daemon.patience_seconds,
    )
    return _written(daemon.pid_file) != written


def _has_ended(pid: int) -> bool:
    try:
        status = (PROC / f"{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return "\nState:\tZ" in status


def _written(pid_file: str) -> tuple[int, int] | None:
    try:
        seen = Path(pid_file).stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_ino


def children(pid: int) -> set[int]:
    """Return the child processes of `pid`; none when it is gone."""
    try:
        return {int(one) for one in (PROC / f"{pid}/task/{pid}/children").read_text().split()}
    except OSError:
        return set()


def require_sockets(sockets: Iterable[str], seconds: float = 15) -> None:
    """Wait until every unix socket accepts; raise DaemonError naming the first that does not."""
    for address in sockets:
        if not wait_until(partial(accepts, address), seconds):
            raise DaemonError(
                "socket_silent",
                f"Nothing answers on {address} {seconds:.0f} s after the reload. See whether its"
                " pool file exists and read the log of PHP-FPM, then run again.",
                socket=address,
            )
