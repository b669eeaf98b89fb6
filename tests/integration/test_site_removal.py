"""Villages are removed without a trace but their archive."""

import grp
import json
import os
import pwd
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from playbooks.module_utils.archive import rows_in_dump
from playbooks.module_utils.closing import close
from playbooks.module_utils.driver import connect
from playbooks.module_utils.installation import install
from playbooks.module_utils.mariadb import State
from playbooks.module_utils.outcome import Refusal, Steps
from siappakai.ansible.inventory import SiteHost
from tests.sites import OLD, Fleet
from tests.visits import get

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(900),
]


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
    assert fleet.state(host) is State.REMOVING
    blocked.rmdir()
    blocked.write_text(vhost)
    with pytest.raises(Refusal) as refusal:
        install(fleet.order(fleet.again(host)), Steps())
    assert refusal.value.code == "removal_unfinished"
    played = fleet.play("remove", fleet.again(host))
    assert played.succeeded, played.text
    assert list(Path(fleet.layout.archive).glob(f"{host.site.slug}-*")) == kept
    assert _traces(fleet, host) == []


def test_a_removal_killed_before_its_archive_was_whole_leaves_a_site_that_serves(
    fleet: Fleet,
) -> None:
    host = fleet.village("5102010013", OLD)
    assert fleet.play("install", host).succeeded
    assert close(host.site.folder), "as a kill in the middle of archiving leaves it"
    assert get(fleet, host, "/")[0] == 503
    # The panel's look at what a lost run left.
    probe = ("-e", "probe=true", "-e", f"play_id=1-{host.site.run_token + 1}")
    assert fleet.play("health", fleet.again(host), options=probe).succeeded
    assert get(fleet, host, "/")[0] == 200
    close(host.site.folder)
    assert fleet.play("install", fleet.again(host)).succeeded
    assert get(fleet, host, "/")[0] == 200


@pytest.mark.parametrize(
    ("code", "mark"), [("5102010014", State.REMOVING), ("5102010015", State.LOADING)]
)
def test_a_village_cannot_talk_us_out_of_its_own_data(fleet: Fleet, code: str, mark: State) -> None:
    host = fleet.village(code, OLD)
    assert fleet.play("install", host).succeeded
    fleet.query("UPDATE config SET nama_desa = 'Terakhir'", host.site.database)
    _mark_as_the_village(fleet, host, mark)
    assert fleet.state(host) is mark
    assert fleet.play("install", fleet.again(host)).succeeded
    assert fleet.state(host) is State.COMPLETE
    assert fleet.query("SELECT nama_desa FROM config", host.site.database) == [("Terakhir",)]
    _mark_as_the_village(fleet, host, mark)
    assert fleet.play("remove", fleet.again(host)).succeeded
    (kept,) = Path(fleet.layout.archive).glob(f"{host.site.slug}-*")
    assert json.loads((kept / "manifest.json").read_text())["rows"]["config"] == 1
    assert _traces(fleet, host) == []


def _mark_as_the_village(fleet: Fleet, host: SiteHost, mark: State) -> None:
    """Change the mark on a database as its own user may."""
    comment = f"siappakai {host.site.slug} {mark}"
    link = connect(
        fleet.layout.db_socket, host.site.db_user, host.secrets.db_password, host.site.database
    )
    with closing(link), link.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE `{host.site.database}` COMMENT = '{comment}'")


def _traces(fleet: Fleet, host: SiteHost) -> list[str]:
    """Everything on this server that still carries the village's name."""
    slug, layout = host.site.slug, fleet.layout
    found = [
        str(path)
        for root in (layout.root, layout.run_dir)
        for path in Path(root).rglob(f"*{host.site.code}*")
        if not path.is_relative_to(layout.archive)
        # The lock keeps its token: a play that slept through the removal is still refused.
        and not path.is_relative_to(layout.lock_dir)
    ]
    found += [name for (name,) in fleet.query("SHOW DATABASES") if host.site.code in name]
    users = fleet.query("SELECT User FROM mysql.global_priv")
    found += [name for (name,) in users if host.site.code in name]
    # Another fleet on this machine may have a village of the same code.
    account = f"{layout.prefix}-{slug}"
    found += [entry.pw_name for entry in pwd.getpwall() if entry.pw_name == account]
    found += [entry.gr_name for entry in grp.getgrall() if entry.gr_name == account]
    return found
