"""Villages are installed, installed again, cut short, refused, and removed without a trace."""

import datetime as dt
import grp
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import urlencode

import pymysql
import pytest

from playbooks.module_utils import golden, mariadb
from playbooks.module_utils.archive import rows_in_dump
from playbooks.module_utils.driver import connect
from playbooks.module_utils.health import examine
from playbooks.module_utils.installation import install
from playbooks.module_utils.mariadb import State
from playbooks.module_utils.outcome import Refusal, Steps
from siappakai.ansible.inventory import SiteHost
from tests.sites import NEW, OLD, PASSWORD, Fleet

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(900),
]

REPOSITORY = Path(__file__).parents[2]
# Runs an installation in a process of its own, which can be killed.
INSTALL = """
import json, sys
from playbooks.module_utils.installation import install
from playbooks.module_utils.order import Order
from playbooks.module_utils.outcome import Steps
install(Order(**json.load(sys.stdin)), Steps())
"""


@pytest.fixture(scope="module")
def villages(fleet: Fleet) -> tuple[SiteHost, SiteHost]:
    """Two villages side by side on two releases, by the playbook."""
    old, new = fleet.village("5102010001", OLD), fleet.village("5102010002", NEW)
    played = fleet.play("install", old, new)
    assert played.succeeded, played.text
    return old, new


def _get(fleet: Fleet, host: SiteHost, path: str) -> tuple[int, str]:
    return _ask(fleet, host, "GET", path)[:2]


def _ask(
    fleet: Fleet,
    host: SiteHost,
    method: str,
    path: str,
    *,
    form: dict[str, str] | None = None,
    cookies: dict[str, str] | None = None,
) -> tuple[int, str, dict[str, str], str]:
    """Return status, body, cookies and where a redirect leads."""
    home = f"http://{host.site.domain}:{fleet.layout.http_port}"
    headers = {"Host": home.removeprefix("http://"), "Referer": f"{home}/index.php/siteman"}
    # Its table of logins insists on both, or the login fails.
    headers["User-Agent"] = "tests"
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    if form:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    connection = http.client.HTTPConnection("127.0.0.1", fleet.layout.http_port, timeout=60)
    connection.request(method, path, urlencode(form) if form else None, headers)
    response = connection.getresponse()
    body = response.read().decode(errors="replace")
    given = response.msg.get_all("Set-Cookie") or []
    jar = dict(one.split(";", 1)[0].split("=", 1) for one in given)
    connection.close()
    return response.status, body, (cookies or {}) | jar, response.getheader("Location", "")


def _login(fleet: Fleet, host: SiteHost, password: str) -> str:
    """Log in through nginx as a person would; return where that leads."""
    _, page, cookies, _ = _ask(fleet, host, "GET", "/index.php/siteman")
    field = re.search(r'name="sidcsrf"[^>]*value="([^"]*)"', page)
    form = {
        "sidcsrf": field[1] if field else cookies["sidcsrf"],
        "username": host.secrets.admin_user,
        "password": password,
    }
    path = "/index.php/siteman/auth"
    return _ask(fleet, host, "POST", path, form=form, cookies=cookies)[3]


def _state(fleet: Fleet, host: SiteHost) -> State:
    with connect(fleet.layout.db_socket, "root") as link:
        return mariadb.state_of(link, host.site.database, host.site.slug)


def test_both_releases_serve_their_village(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost]
) -> None:
    reports = examine(fleet.layout.as_vars(), [asdict(host.site) for host in villages])
    for host in villages:
        report = reports[host.site.slug]
        assert report.healthy, [check for check in report.checks if not check.ok]
        assert report.release == host.site.release
        assert report.schema_version == host.site.schema_version
        assert host.site.identity.nama_desa in _get(fleet, host, "/")[1]


def test_the_given_password_opens_and_the_published_one_does_not(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost]
) -> None:
    for host in villages:
        assert re.search(r"/(main|beranda)$", _login(fleet, host, PASSWORD))
        assert _login(fleet, host, "sid304").endswith("siteman")


def test_second_run_changes_nothing(fleet: Fleet, villages: tuple[SiteHost, SiteHost]) -> None:
    hosts = [fleet.again(host) for host in villages]
    checked = fleet.play("install", *hosts, options=("--check",))
    played = fleet.play("install", *hosts)
    assert checked.succeeded, checked.text
    assert played.succeeded, played.text
    for host in hosts:
        assert checked.changed[host.site.slug] == played.changed[host.site.slug] == 0
    assert list(fleet.query("SELECT COUNT(*) FROM config", hosts[0].site.database)) == [(1,)]


def test_check_mode_announces_and_does_nothing(fleet: Fleet) -> None:
    host = fleet.village("5102010003")
    steps = Steps()
    install(replace(fleet.order(host), dry=True), steps)
    assert steps.changed
    assert not Path(host.site.folder).exists()
    assert _state(fleet, host) is State.ABSENT
    with pytest.raises(KeyError):
        pwd.getpwnam(host.site.unix_user)


def test_what_is_secret_is_not_served(fleet: Fleet, villages: tuple[SiteHost, SiteHost]) -> None:
    for path in (
        "/desa/config/database.php",
        "/desa/app_key",
        "/storage/logs/php.log",
        "/backup_inkremental/",
        "/donjo-app/config/config.php",
        "/vendor/",
        "/.siappakai.json",
        "/desa/upload/evil.php",
    ):
        assert _get(fleet, villages[1], path)[0] in {403, 404}, path


def test_a_maintenance_flag_closes_the_site_at_once(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost]
) -> None:
    flag = Path(villages[0].site.folder, "maintenance")
    flag.touch()
    try:
        assert _get(fleet, villages[0], "/")[0] == 503
        assert _get(fleet, villages[1], "/")[0] == 200
    finally:
        flag.unlink()
    assert _get(fleet, villages[0], "/")[0] == 200


def test_a_killed_installation_is_finished_by_the_next(fleet: Fleet) -> None:
    host = fleet.village("5102010004")
    _install_and_kill(fleet, host)
    assert _state(fleet, host) is State.LOADING
    steps = Steps()
    install(fleet.order(fleet.again(host)), steps)
    loaded = {step["name"]: step for step in steps.result()["steps"]}
    assert "half-loaded" in loaded["database"]["detail"]
    assert _state(fleet, host) is State.COMPLETE
    played = fleet.play("install", fleet.again(host))
    assert played.succeeded, played.text
    assert played.changed[host.site.slug] == 0


def _install_and_kill(fleet: Fleet, host: SiteHost) -> None:
    """Start an installation and kill -9 it in the middle of loading the database."""
    begun = f"SHOW TABLES FROM `{host.site.database}`"
    with subprocess.Popen(
        [sys.executable, "-c", INSTALL], stdin=subprocess.PIPE, cwd=REPOSITORY, text=True
    ) as process:
        assert process.stdin
        json.dump(asdict(fleet.order(host)), process.stdin)
        process.stdin.close()
        deadline = time.monotonic() + 60
        while _count(fleet, begun) < 20 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it was over before it could be killed"


def _count(fleet: Fleet, listing: str) -> int:
    try:
        return len(fleet.query(listing))
    except pymysql.OperationalError:
        return 0  # the database is not there yet


def test_without_a_snapshot_the_village_seeds_itself(fleet: Fleet) -> None:
    host = fleet.village("5102010005")
    folder = golden.golden_folder(fleet.layout.as_vars(), "opensid", NEW)
    aside = folder.with_name("aside")
    folder.rename(aside)
    try:
        steps = Steps()
        install(fleet.order(host), steps)
    finally:
        aside.rename(folder)
    loaded = next(step for step in steps.result()["steps"] if step["name"] == "load")
    assert loaded["detail"].startswith("seeded by the application")
    assert Path(host.site.folder, "desa/app_key").read_text() == host.secrets.app_key
    played = fleet.play("install", fleet.again(host))
    assert played.succeeded, played.text


def test_making_a_snapshot_leaves_nothing_but_the_snapshot(
    fleet: Fleet, villages: tuple[SiteHost, ...]
) -> None:
    layout = fleet.layout
    assert sorted(path.name for path in Path(layout.golden).iterdir()) == [
        f"opensid-{OLD}",
        f"opensid-{NEW}",
    ]
    assert Path(layout.golden).stat().st_mode & 0o777 == 0o700
    assert list(Path(layout.scratch).iterdir()) == []
    assert not [path for path in Path(layout.sites).iterdir() if path.name.startswith(".")]
    assert not [entry for entry in pwd.getpwall() if f"{layout.prefix}-golden" in entry.pw_name]
    assert not [name for (name,) in fleet.query("SHOW DATABASES") if "golden" in name]
    assert not [
        name for (name,) in fleet.query("SELECT User FROM mysql.global_priv") if "golden" in name
    ]


def test_a_damaged_snapshot_is_not_cloned(fleet: Fleet, villages: tuple[SiteHost, ...]) -> None:
    folder = golden.golden_folder(fleet.layout.as_vars(), "opensid", NEW)
    dump = folder / golden.DUMP
    whole = dump.read_bytes()
    dump.write_bytes(whole[:-1])
    try:
        reason = golden.why_unusable(folder, asdict(villages[1].release))
    finally:
        dump.write_bytes(whole)
    assert "damaged" in reason
    assert not golden.why_unusable(folder, asdict(villages[1].release))


def test_one_failing_village_does_not_stop_the_other(fleet: Fleet) -> None:
    bad, good = fleet.village("5102010006"), fleet.village("5102010007")
    fleet.query(f"CREATE DATABASE `{bad.site.database}`")
    fleet.query(f"CREATE TABLE `{bad.site.database}`.mine (id INT)")
    played = fleet.play("install", bad, good)
    assert played.failed[bad.site.slug] == 1
    assert "database_exists" in played.text
    assert played.failed[good.site.slug] == 0
    assert _get(fleet, good, "/")[0] == 200
    assert fleet.query("SHOW TABLES", bad.site.database) == [("mine",)]
    assert not Path(bad.site.folder).exists()
    fleet.query(f"DROP DATABASE `{bad.site.database}`")


def test_services_and_health_follow_even_when_every_village_failed(fleet: Fleet) -> None:
    bad = fleet.village("5102010006", php="8.4")
    played = fleet.play("install", bad)
    assert "php_not_seen" in played.text
    assert "TASK [Reload PHP-FPM and nginx]" in played.text
    assert "TASK [Check the sites]" in played.text


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("php_not_seen", {"php": "7.4"}),
        ("domain_taken", {"domain": "d5102010001.desa.id"}),
    ],
)
def test_what_is_refused_leaves_no_trace(
    fleet: Fleet, villages: tuple[SiteHost, ...], code: str, changes: dict[str, str]
) -> None:
    host = fleet.village("5102010008", **changes)
    with pytest.raises(Refusal) as refusal:
        install(fleet.order(host), Steps())
    assert refusal.value.code == code
    assert not Path(host.site.folder).exists()
    assert _state(fleet, host) is State.ABSENT


def test_another_app_key_is_never_replaced(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost]
) -> None:
    host = fleet.again(villages[1])
    forged = replace(host, secrets=replace(host.secrets, app_key="base64:AAAA"))
    with pytest.raises(Refusal) as refusal:
        install(fleet.order(forged), Steps())
    assert refusal.value.code == "app_key_differs"
    assert Path(host.site.folder, "desa/app_key").read_text() == host.secrets.app_key


def test_settings_the_village_put_in_place_are_noticed_and_replaced(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost]
) -> None:
    host = fleet.again(villages[1])
    config = Path(host.site.folder, "desa/config")
    aside = config.rename(config.with_name("aside"))
    shutil.copytree(aside, config)
    account = pwd.getpwnam(host.site.unix_user)
    for path in (config, *config.iterdir()):
        os.chown(path, account.pw_uid, account.pw_gid)
    assert "config_replaced: desa/config" in _failed_checks(fleet, host)["config"]
    install(fleet.order(host), Steps())
    assert _failed_checks(fleet, host) == {}
    shutil.rmtree(aside)


def test_an_error_of_the_past_does_not_judge_a_new_run(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost]
) -> None:
    host = fleet.again(villages[0])
    log = Path(host.site.folder, f"storage/logs/log-{dt.datetime.now(dt.UTC):%Y-%m-%d}.php")
    with log.open("a") as file:
        file.write("ERROR - SQLSTATE[42S02] penduduk\n")
    assert "penduduk" in _failed_checks(fleet, host)["log"]
    install(fleet.order(host), Steps())
    assert _failed_checks(fleet, host) == {}


def _failed_checks(fleet: Fleet, host: SiteHost) -> dict[str, str]:
    report = examine(fleet.layout.as_vars(), [asdict(host.site)])[host.site.slug]
    return {check.name: check.detail for check in report.checks if not check.ok}


def test_a_lost_database_is_not_replaced_by_an_empty_one(fleet: Fleet) -> None:
    host = fleet.village("5102010011")
    install(fleet.order(host), Steps())
    fleet.query(f"DROP DATABASE `{host.site.database}`")
    with pytest.raises(Refusal) as refusal:
        install(fleet.order(fleet.again(host)), Steps())
    assert refusal.value.code == "database_lost"
    assert _state(fleet, host) is State.ABSENT


def test_installing_is_no_way_to_update(fleet: Fleet, villages: tuple[SiteHost, SiteHost]) -> None:
    newer = fleet.releases[NEW]
    host = fleet.again(villages[0], release=NEW, schema_version=newer.schema_version)
    with pytest.raises(Refusal) as refusal:
        install(fleet.order(replace(host, release=newer)), Steps())
    assert refusal.value.code == "other_release"
    assert Path(host.site.folder, "current").readlink().name == OLD


def test_an_orphan_of_an_older_run_is_refused(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost]
) -> None:
    newest = fleet.again(villages[0])
    install(fleet.order(newest), Steps())
    with pytest.raises(Refusal) as refusal:
        install(fleet.order(villages[0]), Steps())
    assert refusal.value.code == "superseded"


def test_a_release_never_changes_under_its_version(fleet: Fleet) -> None:
    moved = replace(fleet.releases[NEW], commit="0" * 40)
    host = replace(fleet.village("5102010008"), release=moved)
    played = fleet.play("install", host)
    assert played.failed[host.site.slug] == 1
    assert "release_moved" in played.text
    assert "release_missing" in played.text or "release_moved" in played.text
    assert not Path(host.site.folder).exists()


def test_release_belongs_to_root_and_is_read_only(
    fleet: Fleet, villages: tuple[SiteHost, ...]
) -> None:
    top = Path(fleet.layout.releases, "opensid", NEW)
    for path in [top, *top.rglob("*")]:
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == (0, 0), path
        assert found.st_mode & 0o222 == 0, path


def test_removal_keeps_an_archive_and_leaves_nothing(fleet: Fleet) -> None:
    host = fleet.village("5102010009", OLD)
    assert fleet.play("install", host).succeeded
    fleet.query("UPDATE config SET nama_desa = 'Terakhir'", host.site.database)
    picture = Path(host.site.folder, "desa/upload/foto.jpg")
    picture.write_bytes(b"foto")
    played = fleet.play("remove", fleet.again(host))
    assert played.succeeded, played.text
    assert _traces(fleet, host) == []
    (kept,) = Path(fleet.layout.archive).glob(f"{host.site.slug}-*")
    manifest = json.loads((kept / "manifest.json").read_text())
    assert rows_in_dump(kept / "database.sql.zst") == manifest["rows"]
    assert manifest["rows"]["config"] == 1
    listing = subprocess.run(
        ["tar", "--list", "--zstd", "--file", str(kept / "files.tar.zst")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert {"./desa/upload/foto.jpg", "./desa/app_key", "./desa/config/database.php"} <= {*listing}
    assert kept.stat().st_mode & 0o777 == 0o700
    again = fleet.play("remove", fleet.again(host))
    assert again.succeeded, again.text
    assert again.changed[host.site.slug] == 0
    assert list(Path(fleet.layout.archive).glob(f"{host.site.slug}-*")) == [kept]


def _traces(fleet: Fleet, host: SiteHost) -> list[str]:
    """Everything on this server that still carries the village's name."""
    slug, layout = host.site.slug, fleet.layout
    found = [
        str(path)
        for root in (layout.root, layout.run_dir)
        for path in Path(root).rglob(f"*{host.site.code}*")
        if not path.is_relative_to(layout.archive)
    ]
    found += [name for (name,) in fleet.query("SHOW DATABASES") if host.site.code in name]
    users = fleet.query("SELECT User FROM mysql.global_priv")
    found += [name for (name,) in users if host.site.code in name]
    found += [entry.pw_name for entry in pwd.getpwall() if entry.pw_name.endswith(slug)]
    found += [entry.gr_name for entry in grp.getgrall() if entry.gr_name.endswith(slug)]
    return found


def test_a_removal_cut_short_is_finished_with_its_one_archive(fleet: Fleet) -> None:
    host = fleet.village("5102010010", OLD)
    assert fleet.play("install", host).succeeded
    # As a kill between archive and removal leaves it.
    blocked = Path(fleet.layout.nginx_sites, f"{host.site.slug}.conf")
    vhost = blocked.read_text()
    blocked.unlink()
    blocked.mkdir()
    assert fleet.play("remove", fleet.again(host)).failed[host.site.slug] == 1
    kept = list(Path(fleet.layout.archive).glob(f"{host.site.slug}-*"))
    assert len(kept) == 1
    assert _state(fleet, host) is State.REMOVING
    blocked.rmdir()
    blocked.write_text(vhost)
    with pytest.raises(Refusal) as refusal:
        install(fleet.order(fleet.again(host)), Steps())
    assert refusal.value.code == "removal_unfinished"
    played = fleet.play("remove", fleet.again(host))
    assert played.succeeded, played.text
    assert list(Path(fleet.layout.archive).glob(f"{host.site.slug}-*")) == kept
    assert _traces(fleet, host) == []
