"""The gabungan by its playbooks: made, merged into, proven, left; its users kept in bounds."""

from __future__ import annotations

import gzip
import json
import secrets
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pymysql
import pytest

from siappakai.ansible.inventory import SiteHost
from siappakai.domain.consent import GROUPS
from tests.playing import Played
from tests.sites import NEW, Fleet

pytestmark = [pytest.mark.integration, pytest.mark.soak]

Villages = tuple[SiteHost, SiteHost]
DAY = "2026-11-22"


class Gabungan:
    """The gabungan of the fleet's server."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.schema = f"{fleet.layout.prefix}_gabungan"
        self.users = {f"{self.schema}_{kind}": secrets.token_hex(20) for kind in "rw"}
        self.places: dict[str, dict[str, Any]] = {}

    def play(self, playbook: str, *hosts: SiteHost, **told: Any) -> Played:
        known = {"schema": self.schema, **told}
        options = ("-e", json.dumps({"gabungan": known}))
        return self.fleet.play(playbook, *hosts, options=options)

    def merge(self, *hosts: SiteHost, whole: bool = False) -> Played:
        for host in hosts:
            self.places.setdefault(host.site.slug, self._place())
        return self.play("merge", *hosts, key="5a" * 32, day=DAY, whole=whole, places=self.places)

    def _place(self) -> dict[str, Any]:
        number = len(self.places)
        shares = dict.fromkeys(GROUPS, "full")
        return {"config_id": number + 1, "slot": number, "slots": 1, "shares": shares}

    def residents(self) -> list[tuple[Any, ...]]:
        return self.fleet.query(
            "SELECT config_id, COUNT(*) FROM tweb_penduduk GROUP BY config_id", self.schema
        )


@pytest.fixture(scope="module")
def gabungan(fleet: Fleet, villages: Villages) -> Gabungan:
    """A gabungan that was made by its playbook."""
    one = Gabungan(fleet)
    made = one.play("gabungan", release=asdict(fleet.releases[NEW]), users=one.users)
    assert made.succeeded, made.text
    for host in villages:
        fleet.query(f"DELETE FROM {host.site.database}.log_penduduk")
        fleet.query(f"DELETE FROM {host.site.database}.tweb_penduduk")
        fleet.query(
            f"INSERT INTO {host.site.database}.tweb_penduduk (config_id, nama, nik, sex)"
            " VALUES (1, 'Warga', '5102010000000001', 1)"
        )
    return one


def test_villages_of_two_releases_are_merged_and_nothing_is_done_twice(
    gabungan: Gabungan, villages: Villages
) -> None:
    merged = gabungan.merge(*villages)
    assert merged.succeeded, merged.text
    assert gabungan.residents() == [(1, 1), (2, 1)]
    names = gabungan.fleet.query("SELECT id, nama_desa FROM config ORDER BY id", gabungan.schema)
    assert [name for _, name in names] == [host.site.identity.nama_desa for host in villages]
    again = gabungan.merge(*(gabungan.fleet.again(host) for host in villages))
    assert again.succeeded, again.text
    assert sum(again.changed.values()) == 0


def test_a_change_reaches_the_gabungan(gabungan: Gabungan, villages: Villages) -> None:
    first = gabungan.merge(*map(gabungan.fleet.again, villages))
    assert first.succeeded, first.text
    host = villages[1]
    gabungan.fleet.query(
        f"INSERT INTO {host.site.database}.tweb_penduduk (config_id, nama, nik, sex)"
        " VALUES (1, 'Warga baru', '5102010000000002', 2)"
    )
    merged = gabungan.merge(*map(gabungan.fleet.again, villages))
    assert merged.succeeded, merged.text
    assert gabungan.residents() == [(1, 1), (2, 2)]


def test_a_village_that_fails_does_not_stop_the_other(
    gabungan: Gabungan, villages: Villages
) -> None:
    broken, fine = villages
    gabungan.fleet.query(f"UPDATE {broken.site.database}.config SET kode_desa = '5102019999'")
    try:
        merged = gabungan.merge(*map(gabungan.fleet.again, villages), whole=True)
    finally:
        code = broken.site.code
        gabungan.fleet.query(f"UPDATE {broken.site.database}.config SET kode_desa = '{code}'")
    assert merged.failed[broken.site.slug]
    assert not merged.failed[fine.site.slug]
    assert "is not that of village" in merged.text


def test_what_somebody_else_wrote_is_seen(gabungan: Gabungan, villages: Villages) -> None:
    assert gabungan.merge(*map(gabungan.fleet.again, villages), whole=True).succeeded
    assert _proof(gabungan).count("differs: []") == 2
    gabungan.fleet.query("UPDATE tweb_penduduk SET nama = 'Orang lain' LIMIT 1", gabungan.schema)
    assert "- tweb_penduduk" in _proof(gabungan)


def test_a_village_comes_out_as_an_archive_that_its_admin_can_install(
    gabungan: Gabungan, villages: Villages, tmp_path: Path
) -> None:
    assert gabungan.merge(*map(gabungan.fleet.again, villages), whole=True).succeeded
    host, target = villages[1], tmp_path / "desa.zip"
    extract = {
        "database": gabungan.schema,
        "code": host.site.code,
        "is_foreign": False,
        "is_incomplete": False,
        "unknown": [],
        "day": DAY,
        "release": asdict(gabungan.fleet.releases[NEW]),
        "secrets": {"app_key": "base64:BARU", "password": "Sandi#1", "password_hash": "$2y$x"},
    }
    told = json.dumps({"extract": extract, "outgoing": str(target)})
    taken = gabungan.fleet.play("extract", options=("-e", told))
    assert taken.succeeded, taken.text
    assert "Sandi#1" not in taken.text
    with zipfile.ZipFile(target) as archive:
        assert "Sandi#1" in archive.read("BACA-SAYA.txt").decode()
        dump = gzip.decompress(archive.read("basisdata.sql.gz"))
    assert b"5102010000000001" in dump
    assert b"DEFINER" not in dump
    assert not list(Path(gabungan.fleet.layout.root, "outgoing").glob("gabungan-*"))


def test_its_users_read_and_write_no_more_than_they_shall(
    gabungan: Gabungan, villages: Villages
) -> None:
    reader, writer = sorted(gabungan.users)
    _ask(gabungan, reader, "SELECT COUNT(*) FROM tweb_penduduk")
    _ask(gabungan, writer, "UPDATE kategori SET urut = urut WHERE id = 0")
    for user, sql in (
        (reader, "DELETE FROM kategori"),
        (writer, "DELETE FROM tweb_penduduk"),
        (writer, f"SELECT * FROM {gabungan.schema}_buku.slots"),
    ):
        with pytest.raises(pymysql.err.OperationalError) as refused:
            _ask(gabungan, user, sql)
        assert refused.value.args[0] in {1142, 1044}
    host = villages[0]
    with pytest.raises(pymysql.err.OperationalError):
        pymysql.connect(
            unix_socket=gabungan.fleet.layout.db_socket,
            user=host.site.db_user,
            password=host.secrets.db_password,
            database=gabungan.schema,
        )


def test_a_village_leaves_wholly_and_the_first_one_leaves_its_age_classes(
    gabungan: Gabungan, villages: Villages
) -> None:
    assert gabungan.merge(*map(gabungan.fleet.again, villages), whole=True).succeeded
    code = villages[0].site.code
    place = {"config_id": 1, "slot": 0, "slots": 1}
    left = gabungan.play("withdraw", places={code: place}, run_token=10_000)
    assert left.succeeded, left.text
    assert [one for one, _ in gabungan.residents()] == [2]
    classes = "SELECT COUNT(*) > 0 FROM tweb_penduduk_umur WHERE config_id = 1"
    assert gabungan.fleet.query(classes, gabungan.schema) == [(1,)]
    names = gabungan.fleet.query("SELECT nama_desa FROM config WHERE id = 1", gabungan.schema)
    assert not names[0][0]
    late = gabungan.merge(gabungan.fleet.again(villages[0]), whole=True)
    assert "is older than run 10000" in late.text


def _proof(gabungan: Gabungan) -> str:
    """Return what a look at the gabungan says, in Ansible's words."""
    told = json.dumps({"gabungan": {"schema": gabungan.schema}})
    looked = gabungan.fleet.play("verify", options=("-v", "-e", told))
    assert looked.succeeded, looked.text
    return looked.text


def _ask(gabungan: Gabungan, user: str, sql: str) -> None:
    link = pymysql.connect(
        unix_socket=gabungan.fleet.layout.db_socket,
        user=user,
        password=gabungan.users[user],
        database=gabungan.schema,
        autocommit=True,
    )
    with link, link.cursor() as cursor:
        cursor.execute(sql)
