"""The daemons of a private arrangement: found in the process table, started and stopped.

A daemon is recognised by its program and by the configuration file on its command line, never
by a process id alone: a pid file survives a power cut and its number is given to another.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .processes import all_pids, end_session, mentions, runs, session, wait_until

_POLL_SECONDS = 0.05


class DaemonError(Exception):
    """A daemon did not do what it was asked; `code` and `params` are for the panel."""

    def __init__(self, code: str, message: str, **params: str) -> None:
        super().__init__(message)
        self.code = code
        self.params = params

    def told(self) -> dict[str, Any]:
        """Return `msg` and `error` as a module tells them."""
        return {"msg": str(self), "error": {"code": self.code, "params": self.params}}


@dataclass(frozen=True, slots=True)
class Daemon:
    """One daemon.

    `service`: its name among the machine's own services, empty in a private arrangement.
    `detaches`: its command returns once it serves; otherwise the command is the daemon.
    """

    name: str
    program: str
    arguments: tuple[str, ...]
    config: str
    pid_file: str
    log: str
    service: str = ""
    socket: str = ""
    detaches: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    patience_seconds: int = 60

    @property
    def argv(self) -> list[str]:
        if self.service:
            return ["/usr/sbin/service", self.service, "start"]
        return [self.program, *self.arguments]


def daemons_of(layout: Mapping[str, Any]) -> list[Daemon]:
    """Return the daemons of a server in the order they are started."""
    private = layout["services"] == "private"
    logs = layout["log_dir"] if private else "/var/log"
    return [
        Daemon(
            name="mariadb",
            program="/usr/sbin/mariadbd",
            arguments=(f"--defaults-file={layout['db_config']}",),
            config=layout["db_config"],
            pid_file=layout["db_pid"],
            log=f"{logs}/mariadb.log" if private else "/var/lib/mysql/*.err",
            service="" if private else "mariadb",
            socket=layout["db_socket"],
            detaches=False,
            patience_seconds=120,
        ),
        *(_php_daemon(php, layout, logs) for php in layout["php"]),
        Daemon(
            name="nginx",
            program="/usr/sbin/nginx",
            arguments=("-c", layout["nginx_config"]),
            config=layout["nginx_config"],
            pid_file=layout["nginx_pid"],
            log=f"{logs}/nginx-error.log" if private else "/var/log/nginx/error.log",
            service="" if private else "nginx",
        ),
    ]


def _php_daemon(php: Mapping[str, Any], layout: Mapping[str, Any], logs: str) -> Daemon:
    private = layout["services"] == "private"
    return Daemon(
        name=f"php{php['version']}",
        program=php["binary"],
        # Kept in the foreground it keeps its process id over reloads.
        arguments=("--nodaemonize", "--fpm-config", php["config"]),
        config=php["config"],
        pid_file=php["pid_file"],
        log=f"{logs}/php{php['version']}-fpm.log",
        service=php["service"],
        socket=f"{layout['run_dir']}/php{php['version']}-placeholder.sock" if private else "",
        detaches=False,
        # The leading colon: Debian's own settings first, then the arrangement's.
        environment={"PHP_INI_SCAN_DIR": f":{php['ini_dir']}"} if private else {},
        patience_seconds=120,
    )


def running_pid(daemon: Daemon) -> int | None:
    """Return the process id of the daemon's master, or None when it does not run."""
    recorded = recorded_pid(daemon.pid_file)
    candidates = [] if recorded is None else [recorded]
    if not daemon.service:
        candidates.extend(all_pids())
    return next((pid for pid in candidates if _is_master(pid, daemon)), None)


def recorded_pid(pid_file: str) -> int | None:
    """Return the number in a pid file, or None when there is no such file or no number."""
    try:
        return int(Path(pid_file).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None


def start(daemon: Daemon) -> int:
    """Start a daemon that is down and return its process id once it serves; raise DaemonError."""
    if not daemon.service:
        _end_orphans(daemon)
        Path(daemon.pid_file).unlink(missing_ok=True)
    launched = _launch(daemon)
    deadline = time.monotonic() + daemon.patience_seconds
    while time.monotonic() < deadline:
        pid = running_pid(daemon)
        if pid is not None and (not daemon.socket or accepts(daemon.socket)):
            launched.returncode = 0  # it outlives this process; nobody shall wait for it
            return pid
        if not (daemon.detaches or daemon.service) and launched.poll() is not None:
            break
        time.sleep(_POLL_SECONDS)
    raise DaemonError(
        "daemon_not_started",
        f"{daemon.name} did not start. Read {daemon.log}, correct the cause and run again.",
        daemon=daemon.name,
        log=daemon.log,
        output=_tail(daemon.log),
    )


def stop(daemon: Daemon) -> bool:
    """Stop a daemon and what it left behind; return whether anything ran. Raise DaemonError."""
    pid = running_pid(daemon)
    if pid is None:
        return _end_orphans(daemon)
    os.kill(pid, signal.SIGTERM)
    if not wait_until(lambda: not _is_master(pid, daemon), daemon.patience_seconds):
        raise DaemonError(
            "daemon_not_stopped",
            f"{daemon.name} (process {pid}) is still running {daemon.patience_seconds} s after it"
            f" was asked to stop. Read {daemon.log} and run again.",
            daemon=daemon.name,
            log=daemon.log,
        )
    end_session(pid, daemon.program)
    return True


def accepts(address: str) -> bool:
    """Return whether something accepts connections on a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        return client.connect_ex(address) == 0


def clean_environment(daemon: Daemon) -> dict[str, str]:
    """Return the environment a daemon is started and its configuration is tested in."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **daemon.environment}


def _launch(daemon: Daemon) -> subprocess.Popen[bytes]:
    _raise_file_limit()
    returns = daemon.detaches or bool(daemon.service)
    # A file, not a pipe: a daemon keeps what it inherited, and a pipe would never end.
    with tempfile.TemporaryFile() if returns else Path(daemon.log).open("ab") as output:
        launched = subprocess.Popen(  # noqa: S603 - fixed programs, no shell
            daemon.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=clean_environment(daemon),
            umask=0o022,
            start_new_session=True,
        )
        if returns:
            _require_success(daemon, launched, output)
    return launched


def _raise_file_limit() -> None:
    """Let what is started open as many files as allowed: hundreds of sockets, pools, tables."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _require_success(daemon: Daemon, launched: subprocess.Popen[bytes], output: Any) -> None:
    code = launched.wait(timeout=daemon.patience_seconds)
    if code == 0:
        return
    output.seek(0)
    said = output.read().decode(errors="replace").strip()[-1500:]
    raise DaemonError(
        "daemon_not_started",
        f"{daemon.name} did not start: {said or f'exit code {code}'}. Correct the cause in"
        f" {daemon.config} and run again.",
        daemon=daemon.name,
        log=daemon.log,
        output=said,
    )


def _is_master(pid: int, daemon: Daemon) -> bool:
    # Every daemon here leads its own session; its workers share the session and the program.
    # The machine's own nginx does not name its configuration; its pid file has to do.
    return (
        session(pid) == pid
        and runs(pid, daemon.program)
        and (bool(daemon.service) or mentions(pid, daemon.config))
    )


def _end_orphans(daemon: Daemon) -> bool:
    """End the workers of a master that was killed: they still hold its port and sockets."""
    recorded = recorded_pid(daemon.pid_file)
    return recorded is not None and end_session(recorded, daemon.program)


def _tail(log: str, size: int = 1500) -> str:
    try:
        return Path(log).read_text(encoding="utf-8", errors="replace")[-size:]
    except OSError:
        return ""
