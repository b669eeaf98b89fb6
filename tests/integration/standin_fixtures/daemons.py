"""A private MariaDB and a private PHP-FPM on unix sockets, away from the machine's own."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.machine import newest_php

AS_ROOT = os.geteuid() == 0
WEB_USER = "www-data"


def wait_for(path: Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} did not appear within {seconds} s")
        time.sleep(0.05)


@contextmanager
def running(arguments: list[str], ready: Path, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=output)
    try:
        wait_for(ready)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def mariadb_server(folder: Path) -> Iterator[Path]:
    """Yield the socket of an empty server where only root over the socket may log in."""
    folder.mkdir()
    socket = folder / "mariadb.sock"
    user = ["--user=mysql"] if AS_ROOT else []
    if AS_ROOT:
        subprocess.run(["chown", "mysql:", str(folder)], check=True)
    data = f"--datadir={folder / 'data'}"
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", data, *user, "--skip-test-db"],
        check=True,
        capture_output=True,
    )
    server = ["mariadbd", "--no-defaults", data, f"--socket={socket}", "--skip-networking", *user]
    tuning = [
        "--innodb-flush-log-at-trx-commit=2",
        "--innodb-log-file-size=32M",
        f"--pid-file={folder / 'pid'}",
    ]
    with running([*server, *tuning], socket, folder / "mariadb.log"):
        yield socket


@contextmanager
def php_fpm(folder: Path, villages: Path, releases: Path) -> Iterator[Path]:
    """Yield the socket of a pool that is confined to the villages and the releases.

    What PHP complains of, deprecations among it, goes to `php_log(villages)`.
    """
    folder.mkdir()
    temporary = villages / "tmp"
    temporary.mkdir(parents=True)
    temporary.chmod(0o777)
    socket = folder / "fpm.sock"
    owner = f"user = {WEB_USER}\ngroup = {WEB_USER}\n" if AS_ROOT else ""
    configuration = folder / "fpm.conf"
    configuration.write_text(
        f"[global]\npid = {folder / 'fpm.pid'}\nerror_log = {folder / 'fpm.log'}\ndaemonize = no\n"
        f"[villages]\n{owner}listen = {socket}\npm = static\npm.max_children = 2\n"
        f"php_admin_value[open_basedir] = {villages}/:{releases}/:/dev/null\n"
        f"php_admin_value[session.save_path] = {temporary}\n"
        f"php_admin_value[sys_temp_dir] = {temporary}\n"
        f"php_admin_value[upload_tmp_dir] = {temporary}\n"
        f"php_admin_value[error_log] = {php_log(villages)}\n"
        "php_admin_value[error_reporting] = -1\nphp_admin_flag[log_errors] = on\n"
    )
    daemon = [f"php-fpm{newest_php()}", "-y", str(configuration), "-F"]
    with running(daemon, socket, folder / "out.log"):
        yield socket


def php_log(villages: Path) -> Path:
    return villages / "tmp/php.log"
