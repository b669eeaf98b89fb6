"""A village that ran elsewhere is taken over with its own data, or nothing of it is left."""

import grp
import gzip
import json
import os
import pwd
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils.adoption import Upload, adopt, keep, look, undo
from playbooks.module_utils.driver import connect
from playbooks.module_utils.mariadb import State, table_counts
from playbooks.module_utils.outcome import Refusal, Steps
from siappakai.ansible.inventory import SiteHost
from tests.playing import Played
from tests.sites import OLD, PASSWORD, Fleet
from tests.sshd import make_key, private_sshd, temporary_account
from tests.visits import get, login

pytestmark = [
    pytest.mark.integration,
    pytest.mark.patient,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(900),
]
PHOTO = b"\xff\xd8\xff foto kepala desa"


@dataclass(frozen=True)
class Elsewhere:
    """A village as its admin brings it from another hosting."""

    host: SiteHost
    sql: Path
    files: Path
    rows: dict[str, int]

    @property
    def upload(self) -> dict[str, Any]:
        return {"upload": {"files": str(self.files), "database": str(self.sql)}}


@pytest.fixture(scope="module")
def elsewhere(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """A village with people and a photo, dumped and packed as on cPanel, then removed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    host = fleet.village("5102010031", OLD)
    assert fleet.play("install", host).succeeded
    _people(fleet, host.site.database)
    photo = Path(host.site.folder, "desa/upload/user_pict/kades.jpg")
    photo.parent.mkdir(parents=True, exist_ok=True)
    photo.write_bytes(PHOTO)
    sql = folder / "cpanel_opensid.sql.gz"
    dump = ["mariadb-dump", "--no-defaults", "--user=root", f"--socket={fleet.layout.db_socket}"]
    done = subprocess.run([*dump, host.site.database], check=True, capture_output=True)
    # As the hosting's own user wrote it.
    named = re.sub(rb"DEFINER=`[^`]+`@`localhost`", b"DEFINER=`cpanel_u1`@`localhost`", done.stdout)
    views = (
        b"CREATE DEFINER=`cpanel_u1`@`localhost` VIEW `rekap` AS SELECT nama FROM tweb_penduduk;\n"
    )
    sql.write_bytes(
        gzip.compress(named.replace(b"-- Dump completed", views + b"-- Dump completed"))
    )
    files = folder / "desa.zip"
    with zipfile.ZipFile(files, "w") as archive:
        for path in Path(host.site.folder, "desa").rglob("*"):
            if path.is_file():
                archive.write(
                    path, Path("public_html/desa", path.relative_to(f"{host.site.folder}/desa"))
                )
        archive.writestr("public_html/desa/upload/alat.php", "<?php system('id');")
    rows = _counts(fleet, host.site.database)
    assert fleet.play("remove", fleet.again(host)).succeeded
    assert _traces(fleet, host) == []
    return Elsewhere(host, sql, files, rows)


@pytest.fixture(autouse=True)
def removed(fleet: Fleet, elsewhere: Elsewhere) -> Iterator[None]:
    """No test leaves its site to the next."""
    yield
    if Path(elsewhere.host.site.folder).exists():
        assert fleet.play("remove", fleet.again(elsewhere.host)).succeeded


def _people(fleet: Fleet, database: str) -> None:
    link = connect(fleet.layout.db_socket, "root", "", database)
    with closing(link), link.cursor() as cursor:
        # The real OpenSID fills columns without a default in code.
        cursor.execute("SET SESSION sql_mode = '', foreign_key_checks = 0")
        cursor.execute(
            "INSERT INTO tweb_penduduk (config_id, nama, nik) VALUES"
            " (1, 'I Made Uji', '5102010101800001'), (1, 'Ni Luh Uji', '123')"
        )
        cursor.execute(
            "INSERT INTO tweb_keluarga (config_id, no_kk) VALUES (1, '5102010101800002')"
        )


def _counts(fleet: Fleet, database: str) -> dict[str, int]:
    with closing(connect(fleet.layout.db_socket, "root")) as link:
        return table_counts(link, database)


def _traces(fleet: Fleet, host: SiteHost) -> list[str]:
    """Everything on this server that still carries the village's name, but locks and archives."""
    layout, account = fleet.layout, host.site.unix_user
    found = [
        str(path)
        for root in (layout.root, layout.run_dir)
        for path in Path(root).rglob(f"*{host.site.code}*")
        if not path.is_relative_to(layout.archive) and not path.is_relative_to(layout.lock_dir)
    ]
    found += [
        name
        for (name,) in fleet.query(
            "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA"
            " UNION SELECT User FROM mysql.global_priv"
        )
        if host.site.code in name or "_scratch_" in name
    ]
    found += [entry.pw_name for entry in pwd.getpwall() if entry.pw_name == account]
    return found + [entry.gr_name for entry in grp.getgrall() if entry.gr_name == account]


def _play(fleet: Fleet, playbook: str, host: SiteHost, given: dict[str, Any]) -> Played:
    return fleet.play(playbook, host, options=("-e", json.dumps(given)))


def _findings(fleet: Fleet, host: SiteHost, upload: Upload) -> dict[str, dict[str, Any]]:
    report = look(fleet.order(host), upload, Steps())
    return {one.code: {"blocks": one.blocks, **one.params} for one in report.findings}


def test_looking_tells_what_there_is_and_leaves_nothing(fleet: Fleet, elsewhere: Elsewhere) -> None:
    host = fleet.again(elsewhere.host)
    upload = Upload(str(elsewhere.files), str(elsewhere.sql))
    report = look(fleet.order(host), upload, Steps())
    assert report.blocking == []
    found = {one.code: one.params for one in report.findings}
    assert found["odd_nik"]["count"] == 1
    assert found["definers"]["count"] >= 1
    assert found["files_left_out"]["names"] == ["upload/alat.php"]
    assert report.figures["code"] == host.site.code
    assert report.figures["schema_version"] == host.site.schema_version
    assert report.figures["penduduk"] == elsewhere.rows["tweb_penduduk"]
    assert _traces(fleet, host) == []


def test_a_village_is_taken_over_with_its_data_and_its_key(
    fleet: Fleet, elsewhere: Elsewhere
) -> None:
    # What the site would have been given anew must not win over what the village brings.
    host = fleet.again(elsewhere.host)
    host = replace(host, secrets=replace(host.secrets, db_password="b" * 80))
    played = _play(fleet, "adopt", host, elsewhere.upload)
    assert played.succeeded, played.text
    site = host.site
    upload = Upload(str(elsewhere.files), str(elsewhere.sql))
    with pytest.raises(Refusal) as refusal:
        adopt(fleet.order(fleet.again(host)), upload, Steps())
    assert refusal.value.code == "site_exists"
    assert _counts(fleet, site.database) == elsewhere.rows
    assert Path(site.folder, "desa/upload/user_pict/kades.jpg").read_bytes() == PHOTO
    assert not Path(site.folder, "desa/upload/alat.php").exists()
    assert Path(site.folder, "desa/app_key").read_text() == host.secrets.app_key
    assert re.search(r"/(main|beranda)$", login(fleet, host, PASSWORD))
    assert site.identity.nama_desa in get(fleet, host, "/")[1]
    assert fleet.query("SELECT COUNT(*) FROM rekap", site.database) == [
        (elsewhere.rows["tweb_penduduk"],)
    ]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("UPDATE config SET kode_desa = '5102010099';", "other_village"),
        ("DELETE FROM config;", "not_one_village"),
        ("UPDATE config SET app_key = 'base64:lain';", "other_app_key"),
        ("UPDATE migrasi SET versi_database = '2030010101';", "other_version"),
        ("DROP TABLE tweb_penduduk;", "not_opensid"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    fleet: Fleet, elsewhere: Elsewhere, tmp_path: Path, sql: str, code: str
) -> None:
    host = fleet.again(elsewhere.host)
    changed = tmp_path / "lain.sql"
    whole = gzip.decompress(elsewhere.sql.read_bytes())
    spoilt = b"SET foreign_key_checks = 0;\n" + sql.encode() + b"\n-- Dump completed"
    changed.write_bytes(whole.replace(b"-- Dump completed", spoilt))
    upload = Upload(str(elsewhere.files), str(changed))
    assert _findings(fleet, host, upload)[code]["blocks"]
    with pytest.raises(Refusal) as refusal:
        adopt(fleet.order(host), upload, Steps())
    assert refusal.value.code == "adoption_refused"
    assert code in str(refusal.value)
    assert _traces(fleet, host) == []


def test_dirty_data_is_told_and_forbids_nothing(
    fleet: Fleet, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    host, dirty = fleet.again(elsewhere.host), tmp_path / "kotor.sql"
    whole = gzip.decompress(elsewhere.sql.read_bytes())
    spoilt = (
        b"SET foreign_key_checks = 0; SET sql_mode = '';\n"
        b"ALTER TABLE tweb_penduduk DROP INDEX config_id_nik, MODIFY nik varchar(32);\n"
        b"UPDATE tweb_penduduk SET nik = '5102010101800001', tanggallahir = '0000-00-00';\n"
        b"ALTER TABLE tweb_keluarga MODIFY no_kk varchar(40);\n"
        b"UPDATE tweb_keluarga SET no_kk = '51020101018000021';\n"
        b"CREATE TABLE lama (a INT) ENGINE=MyISAM DEFAULT CHARSET=latin1;\n"
        b"CREATE TRIGGER picu BEFORE INSERT ON lama FOR EACH ROW SET NEW.a = 1;\n"
        b"-- Dump completed"
    )
    dirty.write_bytes(whole.replace(b"-- Dump completed", spoilt))
    found = _findings(fleet, host, Upload(str(elsewhere.files), str(dirty)))
    assert not any(one["blocks"] for one in found.values())
    assert found["double_nik"]["count"] == found["long_kk"]["count"] == 1
    assert "tweb_penduduk.tanggallahir" in found["zero_dates"]["columns"]
    assert found["other_engine"]["tables"] == found["other_charset"]["tables"] == ["lama"]
    assert found["programs"]["names"] == ["picu"]


@pytest.mark.soak
def test_a_hostile_file_fails_the_run_and_leaves_nothing(
    fleet: Fleet, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    host, hostile = fleet.again(elsewhere.host), tmp_path / "jahat.sql"
    hostile.write_text(f"\\! touch {tmp_path}/lolos\nCREATE USER penyusup@localhost;\n")
    played = _play(
        fleet, "adopt", host, {"upload": {**elsewhere.upload["upload"], "database": str(hostile)}}
    )
    assert played.failed[host.site.slug] == 1
    assert "dump_refused" in played.text
    assert not (tmp_path / "lolos").exists()
    assert fleet.query("SELECT User FROM mysql.global_priv WHERE User = 'penyusup'") == []
    assert _traces(fleet, host) == []


def test_a_dump_that_was_cut_off_is_refused(
    fleet: Fleet, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    whole = gzip.decompress(elsewhere.sql.read_bytes())
    cut = tmp_path / "putus.sql"
    cut.write_bytes(whole[: whole.rindex(b"CREATE TABLE")])
    host = fleet.again(elsewhere.host)
    with pytest.raises(Refusal, match="cut off"):
        look(fleet.order(host), Upload(str(elsewhere.files), str(cut)), Steps())
    assert _traces(fleet, host) == []


def test_a_site_that_does_not_get_well_is_taken_back(
    fleet: Fleet, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    host, lonely = fleet.again(elsewhere.host), tmp_path / "tanpa-akun.sql"
    whole = gzip.decompress(elsewhere.sql.read_bytes())
    spoilt = b"SET foreign_key_checks = 0; DELETE FROM user;\n-- Dump completed"
    lonely.write_bytes(whole.replace(b"-- Dump completed", spoilt))
    given = {"upload": {**elsewhere.upload["upload"], "database": str(lonely)}}
    played = _play(fleet, "adopt", host, given)
    assert "there is no account" in played.text
    assert "Take back what was installed" in played.text
    assert played.failed[host.site.slug] == 0, "the village's own part went well"
    assert _traces(fleet, host) == []


@pytest.mark.soak
def test_what_a_killed_attempt_left_is_cleared_by_the_next(
    fleet: Fleet, elsewhere: Elsewhere
) -> None:
    host = fleet.again(elsewhere.host)
    upload = Upload(str(elsewhere.files), str(elsewhere.sql))
    fleet.query(
        f"CREATE DATABASE `{host.site.database}` COMMENT = 'siappakai {host.site.slug} loading'"
    )
    Path(host.site.folder, "desa/upload").mkdir(parents=True)
    adopt(fleet.order(host), upload, Steps())
    # And one that came to its end, killed before anybody knew.
    host = fleet.again(host)
    adopt(fleet.order(host), upload, Steps())
    assert keep(fleet.order(host))
    assert not undo(fleet.order(host)), "it is the village's own now"
    assert fleet.state(host) is State.COMPLETE
    assert _counts(fleet, host.site.database) == elsewhere.rows
    assert fleet.play("remove", fleet.again(host)).succeeded


@pytest.fixture
def over_ssh(fleet: Fleet, tmp_path: Path) -> Iterator[Fleet]:
    """The same server, reached as an account that is not root and becomes it by sudo."""
    with temporary_account() as account, private_sshd(account) as sshd:
        rule, key = Path("/etc/sudoers.d", sshd.user), tmp_path / "key"
        make_key(key)
        (sshd.home / ".ssh").mkdir(mode=0o700)
        shutil.copy(f"{key}.pub", sshd.home / ".ssh/authorized_keys")
        shutil.chown(sshd.home / ".ssh", sshd.user, sshd.user)
        shutil.chown(sshd.home / ".ssh/authorized_keys", sshd.user, sshd.user)
        known = (
            "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes"
            f" -o ControlPath={tmp_path}/cp"
        )
        reached = {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": sshd.port,
            "ansible_user": sshd.user,
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": known,
        }
        try:
            rule.touch(mode=0o440)
            rule.write_text(f"{sshd.user} ALL=(root) NOPASSWD: ALL\n")
            yield replace(fleet, connection=reached)
        finally:
            rule.unlink(missing_ok=True)


@pytest.mark.soak
def test_files_travel_over_ssh_by_an_account_that_is_not_root(
    over_ssh: Fleet, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    host, archive = over_ssh.again(elsewhere.host), tmp_path / "keluar.zip"
    moved = _play(over_ssh, "adopt", host, elsewhere.upload)
    assert moved.succeeded, moved.text
    handed = _play(over_ssh, "export", over_ssh.again(host), {"outgoing": str(archive)})
    assert handed.succeeded, handed.text
    with zipfile.ZipFile(archive) as packed:
        assert packed.read("desa/upload/user_pict/kades.jpg") == PHOTO
        assert packed.testzip() is None
    assert not list(Path(over_ssh.layout.root, "outgoing").iterdir())
    assert not list(Path(over_ssh.layout.scratch).iterdir())
    assert over_ssh.play("remove", over_ssh.again(host)).succeeded
    again = over_ssh.again(host)
    back = _play(over_ssh, "adopt", again, {"upload": {"files": str(archive), "database": ""}})
    assert back.succeeded, back.text
    assert _counts(over_ssh, host.site.database) == elsewhere.rows
    assert over_ssh.play("remove", over_ssh.again(host)).succeeded
