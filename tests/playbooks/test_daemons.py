"""Daemons are found, started and stopped; tried on a small real one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from playbooks.module_utils.daemons import (
    Daemon,
    DaemonError,
    accepts,
    daemons_of,
    recorded_pid,
    running_pid,
    start,
    stop,
)
from playbooks.module_utils.processes import wait_until
from siappakai.domain.naming import server_layout

PYTHON = str(Path(sys.executable).resolve())

# Serves a unix socket with one worker, as the real ones do: daemon.py CONFIG PID_FILE SOCKET.
SERVER = """\
import os, socket, sys, time
config, pid_file, address = sys.argv[1:]
if open(config).read() == "bad":
    sys.exit("bad configuration")
open(pid_file, "w").write(str(os.getpid()))
if os.fork() == 0:
    time.sleep(600)
listener = socket.socket(socket.AF_UNIX)
if os.path.exists(address):
    os.unlink(address)
listener.bind(address)
listener.listen()
while True:
    listener.accept()[0].close()
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    program = tmp_path / "daemon.py"
    program.write_text(SERVER)
    config, pid_file, address = (str(tmp_path / name) for name in ("config", "pid", "socket"))
    Path(config).write_text("good")
    one = Daemon(
        name="tried",
        program=PYTHON,
        arguments=(str(program), config, pid_file, address),
        config=config,
        pid_file=pid_file,
        log=str(tmp_path / "log"),
        socket=address,
        detaches=False,
        patience_seconds=20,
    )
    yield one
    stop(one)


def _workers(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _reap(pid: int) -> None:
    # The daemon is a child of the tests, not of a module that has long ended.
    os.waitpid(pid, 0)


def test_a_started_daemon_runs_and_serves(daemon: Daemon) -> None:
    assert running_pid(daemon) is None
    pid = start(daemon)
    assert running_pid(daemon) == pid
    assert os.getsid(pid) == pid
    assert accepts(daemon.socket)


def test_a_daemon_is_found_without_its_pid_file(daemon: Daemon) -> None:
    pid = start(daemon)
    Path(daemon.pid_file).unlink()
    assert running_pid(daemon) == pid


def test_a_pid_file_naming_another_process_is_not_believed(daemon: Daemon) -> None:
    Path(daemon.pid_file).write_text(str(os.getpid()))
    assert running_pid(daemon) is None
    assert not stop(daemon)
    os.kill(os.getpid(), 0)


def test_another_daemon_of_the_same_program_is_not_mistaken_for_it(daemon: Daemon) -> None:
    start(daemon)
    sibling = Daemon(
        name="other",
        program=daemon.program,
        arguments=(),
        config=daemon.config.removesuffix("ig"),
        pid_file=f"{daemon.pid_file}.other",
        log="",
    )
    assert running_pid(sibling) is None


def test_stop_ends_master_and_workers(daemon: Daemon) -> None:
    pid = start(daemon)
    workers = _workers(pid)
    assert workers
    assert stop(daemon)
    _reap(pid)
    assert running_pid(daemon) is None
    assert wait_until(lambda: not any(Path(f"/proc/{one}/exe").exists() for one in workers), 5)
    assert not stop(daemon)


def test_workers_of_a_killed_master_are_ended_before_a_new_start(daemon: Daemon) -> None:
    first = start(daemon)
    workers = _workers(first)
    os.kill(first, signal.SIGKILL)
    _reap(first)
    assert running_pid(daemon) is None
    second = start(daemon)
    assert second != first
    assert wait_until(lambda: not any(Path(f"/proc/{one}/exe").exists() for one in workers), 5)


def test_a_process_that_took_over_the_number_of_a_dead_master_is_spared(daemon: Daemon) -> None:
    stranger = subprocess.Popen(
        [PYTHON, "-c", "import time; time.sleep(60)"], start_new_session=True
    )
    Path(daemon.pid_file).write_text(str(stranger.pid))
    assert not stop(daemon)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_daemon_that_does_not_start_says_why_and_what_to_do(daemon: Daemon) -> None:
    Path(daemon.config).write_text("bad")
    with pytest.raises(DaemonError, match=r"did not start.*run again") as failure:
        start(daemon)
    assert failure.value.code == "daemon_not_started"
    assert failure.value.params["output"] == "bad configuration\n"


def test_waiting_ends(tmp_path: Path) -> None:
    began = time.monotonic()
    assert not wait_until(lambda: False, 0.2)
    assert time.monotonic() - began < 2


def test_a_missing_or_spoilt_pid_file_names_nobody(tmp_path: Path) -> None:
    assert recorded_pid(str(tmp_path / "none")) is None
    (tmp_path / "spoilt").write_text("12x")
    assert recorded_pid(str(tmp_path / "spoilt")) is None


def test_a_private_arrangement_has_the_database_first_and_nginx_last() -> None:
    layout = server_layout(
        prefix="spt", root="/srv/tested", services="private", php_versions=("8.2", "8.4")
    ).as_vars()
    daemons = daemons_of(layout)
    assert [one.name for one in daemons] == ["mariadb", "php8.2", "php8.4", "nginx"]
    assert not any(one.service for one in daemons)
    assert daemons[1].environment == {"PHP_INI_SCAN_DIR": ":/srv/tested/etc/php/8.2/conf.d"}


def test_the_machines_own_services_are_started_by_name() -> None:
    layout = server_layout(
        prefix="spt", root="/srv/tested", services="system", php_versions=("8.2",)
    ).as_vars()
    commands = [one.argv for one in daemons_of(layout)]
    assert commands == [
        ["/usr/sbin/service", name, "start"] for name in ("mariadb", "php8.2-fpm", "nginx")
    ]
