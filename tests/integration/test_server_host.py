"""A bare Debian server, reached over SSH, prepared with its own services."""

from collections.abc import Iterator

import pytest

from siappakai.domain.naming import ServerLayout, server_layout
from tests.hosts import DebianHost, debian_host
from tests.playing import Played, play, servers

# Packages are fetched and installed; a busy machine takes its time.
pytestmark = [pytest.mark.integration, pytest.mark.hosts, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module", params=[("bookworm", "8.2")], ids=lambda one: one[0])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[DebianHost, ServerLayout]]:
    suite, php = request.param
    layout = server_layout(
        prefix="spt", root="/srv/siappakai", services="system", php_versions=(php,)
    )
    with debian_host("bare", suite) as host:
        yield host, layout


def _prepare(host: DebianHost, layout: ServerLayout) -> Played:
    played = play("server", servers(layout, **host.inventory_vars))
    assert played.succeeded, played.text
    return played


def _answer(host: DebianHost) -> str:
    asked = (
        "import socket; s = socket.create_connection(('127.0.0.1', 80), 5);"
        " s.sendall(b'GET / HTTP/1.0\\r\\nHost: nobody.desa.id\\r\\n\\r\\n');"
        " print(s.recv(4096).decode())"
    )
    return host.run("python3", "-c", asked).stdout


def test_a_bare_server_is_prepared_and_again_without_change(
    server: tuple[DebianHost, ServerLayout],
) -> None:
    host, layout = server
    assert _prepare(host, layout).changed["server-1"] > 0
    assert "404 Not Found" in _answer(host)
    said = host.run("mariadb", "--batch", "--execute", "SELECT @@character_set_server").stdout
    assert said.split() == ["@@character_set_server", "utf8mb3"]
    assert _prepare(host, layout).changed == {"server-1": 0}


def test_a_private_purge_is_refused_there(server: tuple[DebianHost, ServerLayout]) -> None:
    host, layout = server
    played = play("purge", servers(layout, **host.inventory_vars))
    assert "not_private" in played.text


def test_after_a_power_cut_it_is_made_whole_again(
    server: tuple[DebianHost, ServerLayout],
) -> None:
    host, layout = server
    host.kill_all()
    host.boot()
    _prepare(host, layout)
    assert "404 Not Found" in _answer(host)
    assert _prepare(host, layout).changed == {"server-1": 0}


def test_a_server_that_is_cut_off_is_reported_unreachable(
    server: tuple[DebianHost, ServerLayout],
) -> None:
    host, layout = server
    host.cut()
    played = play("stop", servers(layout, **host.inventory_vars))
    host.restore()
    assert "UNREACHABLE" in played.text
    assert played.failed == {"server-1": 1}
