"""Configuration is tested before it is taken."""

import socket
from pathlib import Path

import pytest

from playbooks.module_utils.daemons import Daemon, DaemonError
from playbooks.module_utils.reloading import (
    blamed_file,
    children,
    require_prepared,
    require_sockets,
)

NGINX = "/etc/nginx/nginx.conf"


FAILED = f"nginx: configuration file {NGINX} test failed"


@pytest.mark.parametrize(
    ("said", "file"),
    [
        (
            f'nginx: [emerg] unknown directive "lis" in /srv/a/nginx/sites/x.conf:12\n{FAILED}',
            "/srv/a/nginx/sites/x.conf:12",
        ),
        (f'nginx: [emerg] "user" directive is duplicate in {NGINX}:2\n{FAILED}', f"{NGINX}:2"),
        (
            "[22-Nov-2026 03:35:49] ERROR: [/srv/a/pool.d/y.conf:3] unknown entry 'usr'",
            "/srv/a/pool.d/y.conf:3",
        ),
        ("nginx: something else went wrong", NGINX),
    ],
)
def test_the_file_to_blame_is_named(said: str, file: str) -> None:
    assert blamed_file(said, NGINX) == file


def test_the_file_of_a_blamed_pool_is_found(tmp_path: Path) -> None:
    pool = tmp_path / "pool.d" / "siappakai-opensid-5102012001.conf"
    pool.parent.mkdir()
    pool.write_text("; a village\n[opensid-5102012001]\nuser = gone\n")
    said = "ERROR: [pool opensid-5102012001] cannot get uid for user 'gone'"
    assert blamed_file(said, str(tmp_path / "php-fpm.conf")) == str(pool)


def test_a_server_that_was_not_prepared_is_named_so(tmp_path: Path) -> None:
    daemon = Daemon("nginx", "/usr/sbin/nginx", (), str(tmp_path / "none"), "", "")
    with pytest.raises(DaemonError, match="Prepare the server") as failure:
        require_prepared([daemon])
    assert failure.value.code == "server_not_prepared"


def test_a_silent_socket_is_named(tmp_path: Path) -> None:
    address = str(tmp_path / "silent.sock")
    with pytest.raises(DaemonError, match=address) as failure:
        require_sockets([address], seconds=0.1)
    assert failure.value.code == "socket_silent"
    assert failure.value.params == {"socket": address}


def test_sockets_that_accept_are_fine(tmp_path: Path) -> None:
    address = str(tmp_path / "open.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        require_sockets([address], seconds=0.1)


def test_a_process_that_is_gone_has_no_children() -> None:
    assert children(2**22 + 1) == set()
