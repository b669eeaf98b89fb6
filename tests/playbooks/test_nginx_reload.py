"""Once nginx was reloaded, nobody is answered by what it was told before."""

import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from playbooks.module_utils.daemons import Daemon, running_pid, start
from playbooks.module_utils.processes import wait_until
from playbooks.module_utils.reloading import reload

_CONFIG = """
daemon on; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 2;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; return 200 "{answer}"; }}
}}
"""


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[tuple[Daemon, int]]:
    """A private nginx that answers 0, and its port."""
    config = str(tmp_path / "nginx.conf")
    daemon = Daemon(
        name="nginx",
        program="/usr/sbin/nginx",
        arguments=("-c", config),
        config=config,
        pid_file=str(tmp_path / "nginx.pid"),
        log=str(tmp_path / "error.log"),
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    _tell(daemon, port, 0)
    start(daemon)
    yield daemon, port
    pid = running_pid(daemon)
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    assert wait_until(lambda: running_pid(daemon) is None, 10)


def test_after_a_reload_only_the_new_settings_answer(nginx: tuple[Daemon, int]) -> None:
    daemon, port = nginx
    for number in range(1, 6):
        _tell(daemon, port, number)
        assert reload(daemon) == "reloaded"
        assert {_answer(port) for _ in range(10)} == {str(number)}


def _tell(daemon: Daemon, port: int, number: int) -> None:
    folder = Path(daemon.config).parent
    Path(daemon.config).write_text(_CONFIG.format(folder=folder, port=port, answer=number))


def _answer(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
        return str(response.read().decode())
