"""Villages are installed, installed again, cut short, and serve what they should."""

import datetime as dt
import itertools
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pymysql
import pytest

from playbooks.module_utils import golden, passwords
from playbooks.module_utils.health import examine
from playbooks.module_utils.installation import install
from playbooks.module_utils.mariadb import State, accepts, administrator
from playbooks.module_utils.outcome import Steps
from siappakai.ansible.inventory import SiteHost
from tests.sites import NEW, OLD, PASSWORD, Fleet
from tests.visits import get, login

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


def test_both_releases_serve_their_village(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost]
) -> None:
    reports = examine(fleet.layout.as_vars(), [asdict(host.site) for host in villages])
    for host in villages:
        report = reports[host.site.slug]
        assert report.healthy, [check for check in report.checks if not check.ok]
        assert report.release == host.site.release
        assert report.schema_version == host.site.schema_version
        assert host.site.identity.nama_desa in get(fleet, host, "/")[1]


def test_the_given_password_opens_and_the_published_one_does_not(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost]
) -> None:
    for host in villages:
        assert re.search(r"/(main|beranda)$", login(fleet, host, PASSWORD))
        assert login(fleet, host, "sid304").endswith("siteman")


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
    assert fleet.state(host) is State.ABSENT
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
        assert get(fleet, villages[1], path)[0] in {403, 404}, path


def test_a_maintenance_flag_closes_the_site_at_once(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost]
) -> None:
    flag = Path(villages[0].site.folder, "maintenance")
    flag.touch()
    try:
        assert get(fleet, villages[0], "/")[0] == 503
        assert get(fleet, villages[1], "/")[0] == 200
    finally:
        flag.unlink()
    assert get(fleet, villages[0], "/")[0] == 200


def test_a_killed_installation_is_finished_by_the_next(fleet: Fleet) -> None:
    host = fleet.village("5102010004")
    _install_and_kill(fleet, host)
    assert fleet.state(host) is State.LOADING
    steps = Steps()
    install(fleet.order(fleet.again(host)), steps)
    loaded = {step["name"]: step for step in steps.result()["steps"]}
    assert "half-loaded" in loaded["database"]["detail"]
    assert fleet.state(host) is State.COMPLETE
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


def test_release_belongs_to_root_and_is_read_only(
    fleet: Fleet, villages: tuple[SiteHost, ...]
) -> None:
    top = Path(fleet.layout.releases, "opensid", NEW)
    for path in [top, *top.rglob("*")]:
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == (0, 0), path
        assert found.st_mode & 0o222 == 0, path


def test_a_new_database_password_is_put_in_force_while_people_visit(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost]
) -> None:
    host = fleet.again(villages[0])
    socket, site = fleet.layout.db_socket, host.site
    former = host.secrets.db_password
    refused: list[str] = []
    asked = itertools.count()
    done = threading.Event()

    def ask() -> None:
        """Connect as PHP does: with what the settings said a moment ago."""
        while not done.is_set():
            began, said = time.monotonic(), passwords.in_use(site.folder)
            time.sleep(0.005)
            is_let_in = accepts(socket, site.db_user, said, site.database)
            # Whom a busy machine let wait for longer than an installation takes may be too late.
            if not is_let_in and time.monotonic() - began < 0.1:
                refused.append(said)
            next(asked)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        for letter in "nopqrs":
            secrets = replace(host.secrets, db_password=letter * 80)
            install(fleet.order(replace(host, secrets=secrets)), Steps())
    finally:
        done.set()
        for asker in askers:
            asker.join()
    assert refused == []
    assert next(asked) > 20
    assert [
        letter for letter in "nopqrs" if accepts(socket, site.db_user, letter * 80, site.database)
    ] == ["s"]
    assert not accepts(socket, site.db_user, former, site.database)
    assert get(fleet, host, "/index.php/siteman")[0] == 200
    # Cut off twice between database and site: it goes on with the password it has.
    with closing(administrator(socket)) as admin:
        passwords.admit(admin, site.db_user, "x" * 80, "s" * 80)
        passwords.admit(admin, site.db_user, "y" * 80, "s" * 80)
        assert passwords.admits_another(admin, site.db_user)
    assert get(fleet, host, "/index.php/siteman")[0] == 200
    steps = Steps()
    install(fleet.order(host), steps)
    assert steps.changed
    assert get(fleet, host, "/index.php/siteman")[0] == 200
    known = [former, *(letter * 80 for letter in "sxy")]
    assert [one for one in known if accepts(socket, site.db_user, one, site.database)] == [former]
    again = Steps()
    install(fleet.order(host), again)
    assert not again.changed
