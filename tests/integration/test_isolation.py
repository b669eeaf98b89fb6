"""What PHP running as one village can reach of another, tried from inside."""

import http.client
import json
import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils import fastcgi
from siappakai.ansible.inventory import SiteHost
from tests.sites import NEW, Fleet

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(900),
]

# Each question is asked of PHP itself and, past open_basedir, of a program PHP starts.
PROBE = r"""<?php
error_reporting(0);
$asked = json_decode(file_get_contents(__DIR__ . '/asked.json'), true);
function shell(array $argv) {
    $pipes = [];
    $process = proc_open($argv, [1 => ['pipe', 'w'], 2 => ['file', '/dev/null', 'w']], $pipes);
    $said = stream_get_contents($pipes[1]);
    return proc_close($process) === 0 ? $said : null;
}
$answers = ['uid' => posix_getuid(), 'read' => [], 'write' => [], 'include' => [], 'login' => []];
foreach ($asked['read'] as $path) {
    $php = is_dir($path) ? scandir($path) : file_get_contents($path);
    $answers['read'][$path] = [
        'php' => $php !== false,
        'shell' => shell(['cat', '--', $path]) !== null,
        'list' => shell(['ls', '--', $path . '/.']) !== null,
    ];
}
foreach ($asked['include'] as $path) {
    $db = [];
    @include $path;
    $answers['include'][$path] = $db['default']['password'] ?? null;
}
foreach ($asked['write'] as $path) {
    $answers['write'][$path] = [
        'php' => file_put_contents($path, 'x') !== false,
        'shell' => shell(['cp', '/etc/hostname', $path]) !== null,
        'move' => shell(['mv', '-T', '--', $path, $path . '.moved']) !== null,
    ];
}
foreach ($asked['connect'] as $path) {
    $peer = stream_socket_client('unix://' . $path, $code, $text, 2);
    $answers['connect'][$path] = $peer !== false;
}
foreach ($asked['link'] as $name => $target) {
    $answers['link'][$name] = shell(['ln', '-s', '--', $target, __DIR__ . '/' . $name]) !== null;
}
mysqli_report(MYSQLI_REPORT_OFF);
foreach ($asked['login'] as $name) {
    $link = mysqli_connect('localhost', $asked['user'], $asked['password'], $name);
    $read = $link ? mysqli_query($link, 'SELECT 1') : false;
    $answers['login'][$name] = $read !== false;
}
$link = mysqli_connect('localhost', $asked['user'], $asked['password']);
$answers['grants'] = array_column(mysqli_fetch_all(mysqli_query($link, 'SHOW GRANTS')), 0);
$answers['databases'] = array_column(mysqli_fetch_all(mysqli_query($link, 'SHOW DATABASES')), 0);
header('Content-Type: application/json');
echo json_encode($answers);
"""


@dataclass(frozen=True)
class Neighbours:
    """Two villages on one server: `ours` is taken over, `theirs` must not notice."""

    fleet: Fleet
    ours: SiteHost
    theirs: SiteHost

    def probe(self, **asked: Any) -> dict[str, Any]:
        """Run the probe in our village's own pool; return its answers."""
        folder = Path(self.ours.site.folder, "desa/upload")
        account = pwd.getpwnam(self.ours.site.unix_user)
        questions = {name: [] for name in ("read", "include", "write", "connect", "login")}
        questions |= {"link": {}, "user": self.ours.site.db_user} | asked
        questions["password"] = self.ours.secrets.db_password
        for name, text in (("probe.php", PROBE), ("asked.json", json.dumps(questions))):
            (folder / name).write_text(text)
            os.chown(folder / name, account.pw_uid, account.pw_gid)
        response = fastcgi.get(
            self.ours.site.socket,
            view=str(folder),
            script="probe.php",
            path="/probe.php",
            host=self.ours.site.domain,
            seconds=60,
        )
        answers: dict[str, Any] = json.loads(response.body)
        assert answers["uid"] == account.pw_uid, "the probe did not run as the village"
        return answers

    def visit(self, host: SiteHost, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.fleet.layout.http_port)
        connection.request("GET", path, headers={"Host": host.site.domain})
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture(scope="module")
def neighbours(fleet: Fleet) -> Neighbours:
    ours, theirs = fleet.village("5102020001"), fleet.village("5102020002")
    played = fleet.play("install", ours, theirs)
    assert played.succeeded, played.text
    upload = Path(theirs.site.folder, "desa/upload/foto.jpg")
    private = Path(theirs.site.folder, "desa/upload/dokumen/warga.json")
    private.parent.mkdir(exist_ok=True)
    account = pwd.getpwnam(theirs.site.unix_user)
    for path in (upload, private, upload.with_suffix(".json")):
        path.write_bytes(b"foto")
        os.chown(path, account.pw_uid, account.pw_gid)
    return Neighbours(fleet, ours, theirs)


def test_a_neighbours_files_cannot_be_read(neighbours: Neighbours) -> None:
    # So that there is a session to steal, and a configuration in the shared opcache.
    assert neighbours.visit(neighbours.theirs, "/index.php/siteman") == 200
    own, other = neighbours.ours.site.folder, neighbours.theirs.site.folder
    secret = [
        "desa/config/database.php",
        "desa/app_key",
        "desa/upload/foto.jpg",
        "desa/upload",
        "desa",
        "storage/logs",
        "backup_inkremental",
        "tmp",
        ".siappakai.json",
    ]
    sessions = [str(path) for path in Path(other, "tmp").iterdir()]
    assert sessions, "the visit left no session"
    answers = neighbours.probe(
        read=[f"{own}/desa/config/database.php", *(f"{other}/{name}" for name in secret), *sessions]
    )["read"]
    assert answers.pop(f"{own}/desa/config/database.php") == {
        "php": True,
        "shell": True,
        "list": False,
    }
    assert [path for path, reached in answers.items() if any(reached.values())] == []


def test_a_neighbours_configuration_does_not_come_out_of_the_opcache(
    neighbours: Neighbours,
) -> None:
    for _ in range(3):
        assert neighbours.visit(neighbours.theirs, "/index.php/siteman") == 200
    own, other = neighbours.ours.site.folder, neighbours.theirs.site.folder
    answers = neighbours.probe(
        include=[f"{own}/desa/config/database.php", f"{other}/desa/config/database.php"]
    )["include"]
    assert answers[f"{own}/desa/config/database.php"] == neighbours.ours.secrets.db_password
    assert answers[f"{other}/desa/config/database.php"] is None


def test_a_neighbours_database_stays_closed(neighbours: Neighbours) -> None:
    own, other = neighbours.ours.site.database, neighbours.theirs.site.database
    answers = neighbours.probe(login=[own, other, "mysql"])
    assert answers["login"] == {own: True, other: False, "mysql": False}
    assert set(answers["databases"]) == {own, "information_schema"}
    pattern = own.replace("_", r"\_")
    usage, rights = answers["grants"]
    assert usage.startswith("GRANT USAGE ON *.*")
    assert rights.startswith(f"GRANT ALL PRIVILEGES ON `{pattern}`.*")
    assert "GRANT OPTION" not in rights


def test_neither_release_nor_view_nor_settings_can_be_written(neighbours: Neighbours) -> None:
    site, layout = neighbours.ours.site, neighbours.fleet.layout
    forbidden = [
        f"{layout.releases}/opensid/{NEW}/index.php",
        f"{layout.releases}/opensid/{NEW}/donjo-app/evil.php",
        f"{site.folder}/current",
        f"{site.folder}/current/index.php",
        f"{site.folder}/current/evil.php",
        f"{site.folder}/rel/{NEW}/assets/kelola_file/evil.php",
        f"{site.folder}/desa/config/database.php",
        f"{site.folder}/maintenance",
        f"{layout.nginx_sites}/{site.slug}.conf",
        f"{layout.php[0].pool_dir}/siappakai-{site.slug}.conf",
        f"{layout.lock_dir}/{site.slug}",
        f"{layout.archive}/evil",
        f"{layout.golden}/evil",
    ]
    allowed = f"{site.folder}/desa/upload/eigen.txt"
    answers = neighbours.probe(write=[*forbidden, allowed])["write"]
    assert answers.pop(allowed)["php"] is True
    assert [path for path, done in answers.items() if any(done.values())] == []


def test_a_neighbours_pool_cannot_be_called(neighbours: Neighbours) -> None:
    answers = neighbours.probe(
        connect=[neighbours.theirs.site.socket, neighbours.fleet.layout.db_socket]
    )["connect"]
    assert answers[neighbours.fleet.layout.db_socket] is True, "the probe cannot connect at all"
    assert answers[neighbours.theirs.site.socket] is False
    assert Path(neighbours.theirs.site.socket).stat().st_mode & 0o777 == 0o660


def test_nginx_follows_no_link_a_village_made(neighbours: Neighbours) -> None:
    """Nginx may read every village's uploads: a link must not lend one the eyes of it."""
    other = neighbours.theirs.site.folder
    assert neighbours.visit(neighbours.theirs, "/desa/upload/foto.jpg") == 200
    made = neighbours.probe(
        link={
            "curi.jpg": f"{other}/desa/upload/foto.jpg",
            "curi.json": f"{other}/desa/upload/dokumen/warga.json",
            "curi": f"{other}/desa/upload",
        }
    )["link"]
    assert set(made.values()) == {True}
    assert neighbours.visit(neighbours.theirs, "/desa/upload/foto.json") == 200
    for path in ("curi.jpg", "curi.json", "curi/foto.jpg", "curi/foto.json"):
        assert neighbours.visit(neighbours.ours, f"/desa/upload/{path}") in {403, 404}, path


def test_uploaded_programs_are_not_run(neighbours: Neighbours) -> None:
    neighbours.probe()
    assert Path(neighbours.ours.site.folder, "desa/upload/probe.php").exists()
    assert neighbours.visit(neighbours.ours, "/desa/upload/probe.php") == 403
    assert neighbours.visit(neighbours.ours, "/desa/upload/probe.php/x.jpg") in {403, 404}
