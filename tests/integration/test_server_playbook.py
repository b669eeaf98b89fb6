"""A private arrangement on this very machine: prepared, killed, reloaded, stopped, purged.

The tests tell one story and run in order.
"""

import http.client
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from playbooks.module_utils.daemons import daemons_of, running_pid
from playbooks.module_utils.reloading import children
from siappakai.domain.naming import ServerLayout, server_layout
from tests.playing import Played, play, servers

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.geteuid() != 0, reason="a server is prepared as root"),
]

OURS = ("/etc/nginx", "/etc/php", "/etc/mysql")

RELOAD = """\
- hosts: servers
  gather_facts: false
  tasks:
    - name: Reload
      services_reload:
        layout: "{{ layout }}"
        sockets: "{{ sockets | default([]) }}"
"""

START = """\
- hosts: servers
  gather_facts: false
  tasks:
    - name: Start
      private_daemons:
        layout: "{{ layout }}"
"""

POOL = """\
[slow]
user = nobody
group = nogroup
listen = {socket}
pm = ondemand
pm.max_children = 2
"""


@pytest.fixture(scope="module")
def layout() -> Iterator[ServerLayout]:
    # Names of its own, so that two runs of the tests do not meet on one machine.
    prefix = f"t{secrets.token_hex(3)}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = server_layout(
        prefix=prefix,
        root=f"/srv/siappakai-{prefix}",
        services="private",
        php_versions=("8.2",),
        http_port=port,
        http_address="127.0.0.1",
    )
    yield known
    play("purge", servers(known))


@pytest.fixture
def reload_book(tmp_path: Path) -> Path:
    book = tmp_path / "reload.yml"
    book.write_text(RELOAD)
    return book


def _prepare(layout: ServerLayout) -> Played:
    played = play("server", servers(layout))
    assert played.succeeded, played.text
    return played


def _pids(layout: ServerLayout) -> dict[str, int]:
    found = {one.name: running_pid(one) for one in daemons_of(layout.as_vars())}
    return {name: pid for name, pid in found.items() if pid is not None}


def _request(layout: ServerLayout) -> tuple[int, str]:
    link = http.client.HTTPConnection("127.0.0.1", layout.http_port, timeout=10)
    link.request("GET", "/", headers={"Host": "nobody.desa.id"})
    answer = link.getresponse()
    said = answer.status, answer.read().decode()
    link.close()
    return said


def _machine_settings() -> dict[str, float]:
    files = (path for folder in OURS for path in Path(folder).rglob("*") if path.is_file())
    return {str(path): path.stat().st_mtime for path in files}


def test_prepare_leaves_the_machines_own_services_alone(layout: ServerLayout) -> None:
    before = _machine_settings()
    _prepare(layout)
    assert _machine_settings() == before
    assert set(_pids(layout)) == {"mariadb", "php8.2", "nginx"}


def test_a_second_run_changes_nothing(layout: ServerLayout) -> None:
    before = _pids(layout)
    assert _prepare(layout).changed == {"server-1": 0}
    assert _pids(layout) == before


def test_the_daemons_answer(layout: ServerLayout) -> None:
    assert _request(layout) == (404, "Tidak ada situs dengan alamat ini di server ini.\n")
    link = pymysql.connect(unix_socket=layout.db_socket, user="root")
    with link, link.cursor() as cursor:
        cursor.execute("SELECT @@character_set_server, @@skip_networking, @@datadir")
        assert cursor.fetchone() == ("utf8mb3", 1, f"{layout.db_data}/")


def test_only_root_is_root_of_the_database(layout: ServerLayout) -> None:
    client = ["mariadb", f"--socket={layout.db_socket}", "--user=root", "--execute=SELECT 1"]
    nobody = pwd.getpwnam("nobody")
    refused = subprocess.run(
        client, capture_output=True, check=False, text=True, user=nobody.pw_uid, cwd="/"
    )
    assert "Access denied" in refused.stderr


def test_folders_are_roots_and_closed(layout: ServerLayout) -> None:
    modes = {
        layout.sites: 0o711,
        layout.releases: 0o755,
        layout.golden: 0o700,
        layout.archive: 0o700,
        layout.lock_dir: 0o700,
        layout.run_dir: 0o755,
    }
    seen = {path: Path(path).stat() for path in modes}
    assert {path: stat.st_mode & 0o7777 for path, stat in seen.items()} == modes
    assert {stat.st_uid for stat in seen.values()} == {0}


def test_killed_daemons_are_started_again(layout: ServerLayout) -> None:
    killed = _pids(layout)
    for pid in killed.values():
        os.kill(pid, signal.SIGKILL)
    _prepare(layout)
    healed = _pids(layout)
    assert set(healed) == set(killed)
    assert not set(healed.values()) & set(killed.values())
    assert _request(layout)[0] == 404


def _slow_site(layout: ServerLayout) -> tuple[Path, str]:
    script = Path(layout.scratch).parent / "slow.php"
    script.write_text("<?php sleep(3); echo 'whole answer';")
    script.chmod(0o644)
    listener = f"{layout.run_dir}/slow.sock"
    pool = Path(layout.php[0].pool_dir) / "siappakai-slow.conf"
    pool.write_text(POOL.format(socket=listener))
    return script, listener


def _ask(listener: str, script: Path) -> subprocess.Popen[str]:
    environment = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_FILENAME": str(script),
        "SCRIPT_NAME": "/slow.php",
        "PATH": "/usr/bin",
    }
    command = ["cgi-fcgi", "-bind", "-connect", listener]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_a_reload_takes_new_pools_and_finishes_running_requests(
    layout: ServerLayout, reload_book: Path
) -> None:
    script, listener = _slow_site(layout)
    wanted = ("-e", json.dumps({"sockets": [listener]}))
    first = play(reload_book, servers(layout), *wanted)
    assert first.succeeded, first.text
    before = _pids(layout)
    php_workers = children(before["php8.2"])
    with _ask(listener, script) as asked:
        deadline = time.monotonic() + 5
        while children(before["php8.2"]) == php_workers and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(before["php8.2"], signal.SIGUSR2)
        said, _ = asked.communicate(timeout=30)
    assert said.endswith("whole answer")
    again = play(reload_book, servers(layout), *wanted)
    assert again.succeeded, again.text
    assert _pids(layout) == before


def test_a_bad_configuration_is_named_and_nothing_is_reloaded(
    layout: ServerLayout, reload_book: Path
) -> None:
    pool = Path(layout.php[0].pool_dir) / "siappakai-slow.conf"
    pool.write_text(POOL.format(socket=f"{layout.run_dir}/slow.sock").replace("nobody", "gone"))
    workers = children(_pids(layout)["nginx"])
    played = play(reload_book, servers(layout))
    assert played.failed == {"server-1": 1}
    assert "php_config_invalid" in played.text
    assert str(pool) in played.text
    assert children(_pids(layout)["nginx"]) == workers
    pool.unlink()


def test_a_silent_socket_fails_the_reload(layout: ServerLayout, reload_book: Path) -> None:
    wanted = json.dumps({"sockets": [f"{layout.run_dir}/none.sock"]})
    played = play(reload_book, servers(layout), "-e", wanted)
    assert played.failed == {"server-1": 1}
    assert "socket_silent" in played.text


def _village_logs(layout: ServerLayout) -> Path:
    nobody = pwd.getpwnam("nobody")
    logs = Path(layout.sites) / "opensid-5102012001" / "storage" / "logs"
    logs.mkdir(parents=True)
    (logs / "php.log").write_text("a line\n")
    for path in (logs.parent, logs, logs / "php.log"):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return logs


def _rotate(layout: ServerLayout) -> None:
    states = Path(layout.log_dir) / "tests.state"
    config = f"/etc/logrotate.d/siappakai-{layout.prefix}"
    command = ["logrotate", "--force", "--state", str(states), config]
    subprocess.run(command, check=True, capture_output=True)


def test_a_village_log_is_rotated_and_a_link_in_it_is_not_followed(layout: ServerLayout) -> None:
    logs = _village_logs(layout)
    secret = Path(layout.root) / "secret"
    secret.write_text("of root")
    (logs / "trap.log").symlink_to(secret)
    _rotate(layout)
    state = Path(layout.log_dir) / "rotation.state"
    noted = state.read_text()
    assert str(logs / "php.log") in noted
    # What is seen for the first time is only noted; yesterday's note makes it due.
    dates = re.compile(r" \d+-\d+-\d+-\d+:\d+:\d+$", re.MULTILINE)
    state.write_text(dates.sub(" 2026-1-1-0:0:0", noted))
    _rotate(layout)
    assert (logs / "php.log.1").read_text() == "a line\n"
    assert (logs / "php.log").read_text() == ""
    assert secret.read_text() == "of root"


def test_stop_leaves_no_process_and_a_reboot_no_gap(
    layout: ServerLayout, reload_book: Path, tmp_path: Path
) -> None:
    assert play("stop", servers(layout)).succeeded
    assert _pids(layout) == {}
    assert play("stop", servers(layout)).changed == {"server-1": 0}
    shutil.rmtree(layout.run_dir)
    played = play(reload_book, servers(layout))
    assert played.succeeded, played.text
    assert set(_pids(layout)) == {"php8.2", "nginx"}
    start_book = tmp_path / "start.yml"
    start_book.write_text(START)
    played = play(start_book, servers(layout))
    assert played.succeeded, played.text
    assert _request(layout)[0] == 404
    assert set(_pids(layout)) == {"mariadb", "php8.2", "nginx"}


def test_purge_leaves_no_trace(layout: ServerLayout) -> None:
    user = f"{layout.prefix}-opensid-5102012001"
    subprocess.run(["useradd", "--system", "--user-group", user], check=True)
    owned = subprocess.Popen(["sleep", "300"], user=user)
    assert play("purge", servers(layout)).succeeded
    assert owned.wait(timeout=5) == -signal.SIGKILL
    assert _pids(layout) == {}
    traces = (layout.root, layout.run_dir, f"/etc/logrotate.d/siappakai-{layout.prefix}")
    assert [path for path in traces if Path(path).exists()] == []
    for database in ("passwd", "group"):
        assert layout.prefix not in Path(f"/etc/{database}").read_text()
    assert play("purge", servers(layout)).changed == {"server-1": 0}


def test_purge_refuses_the_machines_own_services() -> None:
    system = server_layout(
        prefix="spt", root="/srv/siappakai", services="system", php_versions=("8.2",)
    )
    played = play("purge", servers(system))
    assert played.failed == {"server-1": 1}
    assert "not_private" in played.text
