"""What an installation refuses, and that a refusal changes nothing."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from playbooks.module_utils.installation import install
from playbooks.module_utils.mariadb import State
from playbooks.module_utils.outcome import Refusal, Steps
from siappakai.ansible.inventory import SiteHost
from tests.sites import NEW, OLD, Fleet
from tests.visits import get

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(900),
]


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
    assert fleet.state(host) is State.ABSENT


def test_another_app_key_is_never_replaced(
    fleet: Fleet, villages: tuple[SiteHost, SiteHost]
) -> None:
    host = fleet.again(villages[1])
    forged = replace(host, secrets=replace(host.secrets, app_key="base64:AAAA"))
    with pytest.raises(Refusal) as refusal:
        install(fleet.order(forged), Steps())
    assert refusal.value.code == "app_key_differs"
    assert Path(host.site.folder, "desa/app_key").read_text() == host.secrets.app_key


def test_a_lost_database_is_not_replaced_by_an_empty_one(fleet: Fleet) -> None:
    host = fleet.village("5102010011")
    install(fleet.order(host), Steps())
    fleet.query(f"DROP DATABASE `{host.site.database}`")
    with pytest.raises(Refusal) as refusal:
        install(fleet.order(fleet.again(host)), Steps())
    assert refusal.value.code == "database_lost"
    assert fleet.state(host) is State.ABSENT


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
    assert not Path(host.site.folder).exists()


def test_services_and_health_follow_even_when_every_village_failed(fleet: Fleet) -> None:
    bad = fleet.village("5102010006", php="9.9")
    played = fleet.play("install", bad)
    assert "php_not_seen" in played.text
    assert "TASK [Reload PHP-FPM and nginx, check the sites]" in played.text


def test_one_failing_village_does_not_stop_the_other(fleet: Fleet) -> None:
    bad, good = fleet.village("5102010006"), fleet.village("5102010007")
    fleet.query(f"CREATE DATABASE `{bad.site.database}`")
    fleet.query(f"CREATE TABLE `{bad.site.database}`.mine (id INT)")
    played = fleet.play("install", bad, good)
    assert played.failed[bad.site.slug] == 1
    assert "database_exists" in played.text
    assert played.failed[good.site.slug] == 0
    assert get(fleet, good, "/")[0] == 200
    assert fleet.query("SHOW TABLES", bad.site.database) == [("mine",)]
    assert not Path(bad.site.folder).exists()
    fleet.query(f"DROP DATABASE `{bad.site.database}`")
