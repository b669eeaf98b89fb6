"""A training copy is another village with the same people, and reaches none of them."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils.adoption import Upload, look
from playbooks.module_utils.comeback import Wish
from playbooks.module_utils.driver import connect
from playbooks.module_utils.outcome import Refusal, Steps
from siappakai.ansible.inventory import SiteHost
from tests.restores import OLD_PHOTO, Village, back_up, fill
from tests.sites import PASSWORD, Fleet
from tests.visits import get, login

pytestmark = [
    pytest.mark.integration,
    pytest.mark.patient,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(600),
]
# What the village has that a copy must not: as it would be found in a dump.
PLANTED = {
    "layanan_opendesa_token": "RAHASIA-layanan",
    "email_smtp_pass": "RAHASIA-surel",
    "tte_username": "RAHASIA-tte",
    "api_opendk_key": "RAHASIA-opendk",
    "telegram_token": "RAHASIA-telegram",
}
SECRET, REACHED = "RAHASIA", "alamat-warga"


@pytest.fixture(scope="module")
def source(fleet: Fleet) -> Iterator[Village]:
    """A village that runs, with people and a photo."""
    host = fleet.village("5102010042")
    assert fleet.play("install", host).succeeded
    village = Village(fleet, host, Wish("", ""))
    fill(village, ["Made", "Wayan"], OLD_PHOTO)
    yield village
    assert fleet.play("remove", fleet.again(host)).succeeded


@pytest.fixture(scope="module")
def upload(source: Village, tmp_path_factory: pytest.TempPathFactory) -> Upload:
    """A backup of it with tokens, gateways, accounts, and people who can be reached."""
    link = connect(source.fleet.layout.db_socket, "root", "", source.database)
    with closing(link), link.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = '', foreign_key_checks = 0")
        for key, value in {**PLANTED, "email_notifikasi": "1", "website_title": "Resmi"}.items():
            cursor.execute(
                "REPLACE INTO setting_aplikasi (config_id, `key`, value) VALUES (1, %s, %s)",
                (key, value),
            )
        cursor.execute("REPLACE INTO password_resets (email, token) VALUES ('a@b.id', 'RAHASIA')")
        cursor.execute(
            "INSERT INTO outbox (config_id, DestinationNumber, TextDecoded)"
            " VALUES (1, 'alamat-warga', 'SMS yang menunggu')"
        )
        cursor.execute("UPDATE tweb_penduduk SET email = CONCAT('alamat-warga', id)")
        cursor.execute("UPDATE user SET token = 'RAHASIA', email = 'alamat-warga'")
        # Somebody else has the name of the first account of the copy.
        cursor.execute(
            "REPLACE INTO user (config_id, username, password, id_telegram, session)"
            " VALUES (1, 'admin2', 'x', 'alamat-warga', 'RAHASIA')"
        )
        cursor.execute(
            "CREATE TRIGGER picu BEFORE UPDATE ON setting_aplikasi FOR EACH ROW"
            " SET NEW.value = COALESCE(OLD.value, NEW.value)"
        )
    wish = back_up(source, tmp_path_factory.mktemp("latihan"))
    return Upload(wish.source, manifest_sha256=wish.manifest_sha256, is_copied=True)


@pytest.fixture
def host(fleet: Fleet) -> Iterator[SiteHost]:
    host = fleet.village("5102012998")
    yield host
    if Path(host.site.folder).exists():
        assert fleet.play("remove", fleet.again(host)).succeeded


def _dumped(fleet: Fleet, database: str) -> str:
    """Return all texts of a database, as the village's program could read them."""
    dump = ["mariadb-dump", "--no-defaults", "--user=root", f"--socket={fleet.layout.db_socket}"]
    done = subprocess.run([*dump, database], check=True, capture_output=True, text=True)
    return done.stdout


def _given(upload: Upload) -> tuple[str, str]:
    files = {"files": upload.files, "database": "", "manifest_sha256": upload.manifest_sha256}
    return "-e", json.dumps({"upload": files, "copied": True})


def test_a_copy_is_another_village_and_reaches_nobody(
    fleet: Fleet, source: Village, upload: Upload, host: SiteHost
) -> None:
    played = fleet.play("adopt", host, options=_given(upload))
    assert played.succeeded, played.text
    site, secrets = host.site, host.secrets
    (config,) = fleet.query("SELECT kode_desa, nama_desa, app_key FROM config", site.database)
    assert config == (site.code, site.identity.nama_desa, secrets.app_key)
    assert Path(site.folder, "desa/app_key").read_text() == secrets.app_key
    assert Path(site.folder, "desa/upload/foto.jpg").read_bytes() == source.photo()
    people = fleet.query("SELECT nama FROM tweb_penduduk ORDER BY nama", site.database)
    assert [name for (name,) in people] == source.people()
    text = _dumped(fleet, site.database)
    for word in (SECRET, REACHED, source.host.secrets.app_key, source.host.site.code):
        assert word not in text, word
    assert fleet.query("SHOW TRIGGERS", site.database) == []
    settings = dict(fleet.query("SELECT `key`, value FROM setting_aplikasi", site.database))
    assert settings["email_notifikasi"] == "0"
    assert settings["website_title"] == "SALINAN LATIHAN · Resmi"
    assert settings["current_version"]
    assert fleet.query("SELECT teks FROM teks_berjalan WHERE teks LIKE 'SALINAN%'", site.database)
    assert re.search(r"/(main|beranda)$", login(fleet, host, PASSWORD))
    assert site.identity.nama_desa in get(fleet, host, "/")[1]
    hashes = fleet.query("SELECT password FROM user WHERE password <> '!'", site.database)
    assert hashes == [(secrets.admin_password_hash,)]


def test_the_village_itself_is_what_it_was(source: Village, upload: Upload) -> None:
    """What a copy empties is emptied in the copy alone."""
    assert upload.is_copied
    kept: list[tuple[Any, ...]] = source.query(
        "SELECT value FROM setting_aplikasi WHERE `key` = 'telegram_token'"
    )
    assert kept == [(PLANTED["telegram_token"],)]


def test_a_backup_of_another_village_is_taken_for_a_copy_only_when_asked_for(
    fleet: Fleet, upload: Upload, host: SiteHost
) -> None:
    asked = Upload(upload.files, manifest_sha256=upload.manifest_sha256)
    with pytest.raises(Refusal) as refused:
        look(fleet.order(host), asked, Steps())
    assert refused.value.code == "archive_incomplete"
