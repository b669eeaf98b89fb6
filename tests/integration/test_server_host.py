"""A bare Debian server, reached over SSH, prepared with its own services, serving a village."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from siappakai.domain.naming import ServerLayout, server_layout
from tests.hosts import DebianHost, debian_host
from tests.playing import Played, play, servers
from tests.sites import PASSWORD, Fleet, stand_in_releases
from tests.visits import get, login

# Packages are fetched and installed; a busy machine takes its time.
pytestmark = [pytest.mark.integration, pytest.mark.hosts, pytest.mark.timeout(1800)]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("bookworm", "8.2"), id="bookworm"),
        # Five minutes more.
        pytest.param(("trixie", "8.4"), id="trixie", marks=pytest.mark.soak),
    ],
)
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


def test_a_village_serves_there_and_php_complains_of_nothing(
    server: tuple[DebianHost, ServerLayout], tmp_path: Path
) -> None:
    host, layout = server
    php = layout.php[0]
    # Debian's own setting leaves deprecations out.
    settings = host.root / f"etc/php/{php.version}/fpm/conf.d/99-tests.ini"
    settings.write_text("error_reporting = -1\n")
    host.run("service", php.service, "restart")
    releases = stand_in_releases(tmp_path)
    fleet = Fleet(layout, releases, connection=host.inventory_vars, address=host.address)
    village = fleet.village("5102010001")
    played = fleet.play("install", village)
    assert played.succeeded, played.text
    assert village.site.identity.nama_desa in get(fleet, village, "/")[1]
    assert re.search(r"/(main|beranda)$", login(fleet, village, PASSWORD))
    logs = host.root / village.site.folder.lstrip("/") / "storage/logs"
    assert logs.is_dir()
    assert not (logs / "php.log").exists()
    again = fleet.play("install", fleet.again(village))
    assert again.changed[village.site.slug] == 0


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
