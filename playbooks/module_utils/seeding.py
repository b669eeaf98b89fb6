"""Letting the application seed an empty database, through a PHP-FPM of the moment.

The pool's own settings are used, with another socket: nothing that serves is touched, and
nothing of the application ever runs as root.
"""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import applog, fastcgi
from .driver import connect
from .opensid import LOGIN_PATH, SEEDING_SECONDS, Seeded, seeded
from .outcome import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .variables import LayoutVars, PhpVars

_LISTEN = re.compile(r"^listen = .*$", re.MULTILINE)
_START_SECONDS = 10.0


@dataclass(frozen=True)
class Nursery:
    """Where and as whom an application seeds itself; `view` is what it runs from."""

    folder: str
    view: str
    host: str
    pool: str
    php: PhpVars
    layout: LayoutVars
    database: str
    db_user: str
    db_password: str
    schema_version: str
    benign_patterns: Sequence[str]


def seed(nursery: Nursery) -> Seeded:
    """Seed the empty database; return what it holds then.

    Raises Refusal `seeding_failed` when the page, the schema version or the log is wrong.
    """
    logs = f"{nursery.folder}/storage/logs"
    since = applog.mark_end(logs)
    with _php_fpm(nursery) as listener:
        response = fastcgi.get(
            listener,
            view=nursery.view,
            path=LOGIN_PATH,
            host=nursery.host,
            seconds=SEEDING_SECONDS,
        )
    if response.status != 200:  # noqa: PLR2004 - HTTP says OK
        raise _failed(f"the page answered {response.status}: {_first_words(response)}")
    with closing(
        connect(
            nursery.layout["db_socket"],
            nursery.db_user,
            nursery.db_password,
            nursery.database,
        )
    ) as link:
        found = seeded(link)
    if nursery.schema_version not in found["schema_versions"]:
        raise _failed(
            f"schema {nursery.schema_version} is missing, there is {found['schema_versions']}"
        )
    if errors := applog.unknown_errors(logs, since, nursery.benign_patterns):
        raise _failed(f"its log holds {len(errors)} unknown SQL errors, first: {errors[0]}")
    return found


def _first_words(response: fastcgi.Response) -> str:
    text = re.sub(r"<[^>]*>|\s+", " ", response.body).strip() or response.errors.strip()
    return text[:200] or str(response.headers.get("location", "an empty page"))


def _failed(reason: str) -> Refusal:
    return Refusal(
        "seeding_failed",
        f"The application could not seed its database: {reason}."
        " Check the release and the PHP version, then run this again.",
        reason=reason,
    )


@contextmanager
def _php_fpm(nursery: Nursery) -> Iterator[str]:
    """Run PHP-FPM with one pool; yields its socket. It dies with this process."""
    folder = Path(nursery.layout["scratch"], f"fpm-{secrets.token_hex(6)}")
    folder.mkdir(mode=0o700, parents=True)
    listener = folder / "sock"
    config = folder / "php-fpm.conf"
    log = folder / "error.log"
    pool = _LISTEN.sub(f"listen = {listener}", nursery.pool)
    config.write_text(f"[global]\nerror_log = {log}\ndaemonize = no\n{pool}\n")
    # setpriv: were this module killed, an orphan would seed on beside its successor.
    argv = ["setpriv", "--pdeathsig", "TERM", nursery.php["binary"], "--fpm-config", str(config)]
    process = subprocess.Popen(  # noqa: S603 - an argv list of the server's own programs
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(nursery),
    )
    try:
        _await(listener, process, log)
        yield str(listener)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        shutil.rmtree(folder)


def _environment(nursery: Nursery) -> dict[str, str]:
    """Return a clean one; a private arrangement has settings beside Debian's own."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    if nursery.layout["services"] == "private":
        environment["PHP_INI_SCAN_DIR"] = f":{nursery.php['ini_dir']}"
    return environment


def _await(listener: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not listener.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-300:] if log.exists() else "nothing"
            raise _failed(f"PHP-FPM did not start; it said: {said}")
        time.sleep(0.01)
