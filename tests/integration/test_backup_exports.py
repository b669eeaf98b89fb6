"""Backups are carried away out of a store: sealed as they lie there, or opened and compared."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from siappakai.credentials import new_age_pair
from siappakai.domain.backups import CopyState
from siappakai.errors import ConflictError, InvalidInputError, RefusedError
from siappakai.models import AuditEntry, Backup, BackupCopy, Role, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import backup_exports, sessions, settings
from siappakai.services.errands import stored_name
from siappakai.web import create_app
from siappakai.web.identity import COOKIE_KEY
from tests.buckets import Buckets, buckets
from tests.factories import BY, make_release, make_site, make_user

pytestmark = [pytest.mark.integration, pytest.mark.patient]
KEY, RECIPIENT = new_age_pair()
MANIFEST = {"release": "v2410.0.0", "tables": {"tweb_penduduk": {"rows": 2}}}
PHOTO = os.urandom(3 << 20)


@pytest.fixture(scope="module")
def service() -> Iterator[Buckets]:
    with buckets() as found:
        yield found


@pytest.fixture
def kept(registry: Flask, service: Buckets) -> Iterator[Buckets]:
    yield service
    service.empty()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "bawa"
    made.mkdir()
    return made


def _sealed() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in (
            ("files/desa/upload/foto.jpg", PHOTO),
            ("files/../../keluar.txt", b"jangan"),
            ("database.sql", b"SELECT 1;"),
            ("manifest.json", json.dumps(MANIFEST).encode()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("files/desa/tautan")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
    packed = subprocess.run(["zstd", "-qc"], input=made.getvalue(), capture_output=True, check=True)
    lock = ["age", "--encrypt", f"--recipient={RECIPIENT}"]
    return subprocess.run(lock, input=packed.stdout, capture_output=True, check=True).stdout


@pytest.fixture
def backup(kept: Buckets) -> Backup:
    """A backup that two stores have."""
    content, site = _sealed(), make_site(release=make_release())
    known = [kept.add_store(name) for name in ("satu", "dua")]
    with transaction() as session:
        backup = Backup(
            site_id=site.id,
            server_id=site.server_id,
            name=f"opensid-{site.village.code}-1.age",
            taken_at=utc_now(),
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            manifest=MANIFEST,
            is_spooled=False,
        )
        for store in known:
            backup.copies.append(BackupCopy(store_id=store.id, state=CopyState.STORED))
        session.add(backup)
        session.flush()
    for store in known:
        kept.put(store.name, stored_name(backup), content)
    return backup


def _spoil(kept: Buckets, backup: Backup, *names: str) -> None:
    for name in names:
        content = kept.get(name, stored_name(backup))
        kept.put(name, stored_name(backup), content[:-1] + bytes([content[-1] ^ 1]))


def test_a_sealed_one_is_written_once_with_what_must_come_out_of_it(
    kept: Buckets, backup: Backup, folder: Path
) -> None:
    _spoil(kept, backup, "satu")
    made = backup_exports.export(backup, folder, by=BY)
    assert made.is_new
    assert hashlib.sha256(made.path.read_bytes()).hexdigest() == backup.sha256
    told = json.loads((folder / f"{backup.name}.json").read_text())
    assert (told["sha256"], told["manifest"]) == (backup.sha256, MANIFEST)
    assert sorted(one.name for one in folder.iterdir()) == [backup.name, f"{backup.name}.json"]
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}
    _spoil(kept, backup, "dua")
    assert not backup_exports.export(backup, folder, by=BY).is_new, "not fetched again"
    made.path.write_bytes(b"lain")
    with pytest.raises(ConflictError):
        backup_exports.export(backup, folder, by=BY)
    made.path.unlink()
    with pytest.raises(RefusedError, match="bukan yang dahulu"):
        backup_exports.export(backup, folder, by=BY)
    assert [one.name for one in folder.iterdir()] == [f"{backup.name}.json"]


def test_an_opened_one_is_closed_to_others_and_leads_nowhere(
    kept: Buckets, backup: Backup, folder: Path
) -> None:
    made = backup_exports.export_opened(backup, folder, identity=f"# kunci\n{KEY}\n", by=BY)
    assert (made.files, made.left_out) == (3, 2)
    assert made.path.stat().st_mode & 0o777 == 0o700
    assert (made.path / "files/desa/upload/foto.jpg").read_bytes() == PHOTO
    assert (made.path / "database.sql").stat().st_mode & 0o777 == 0o600
    assert not list(folder.rglob("keluar.txt"))
    assert not (made.path / "files/desa/tautan").exists()
    with pytest.raises(ConflictError):
        backup_exports.export_opened(backup, folder, identity=KEY, by=BY)
    (entry,) = db.session.query(AuditEntry).filter_by(action="backup.export").all()[:1]
    assert entry.detail == {"backup": backup.name, "opened": True}


def test_what_cannot_be_opened_leaves_nothing(kept: Buckets, backup: Backup, folder: Path) -> None:
    with pytest.raises(InvalidInputError) as refused:
        backup_exports.export_opened(backup, folder, identity="bukan kunci", by=BY)
    assert refused.value.field == "key"
    with pytest.raises(RefusedError, match="tidak membuka"):
        backup_exports.export_opened(backup, folder, identity=new_age_pair()[0], by=BY)
    with transaction():
        backup.manifest = {**MANIFEST, "release": "v2409.0.0"}
    with pytest.raises(RefusedError, match="bukan yang dahulu"):
        backup_exports.export_opened(backup, folder, identity=KEY, by=BY)
    with pytest.raises(InvalidInputError) as nowhere:
        backup_exports.export(backup, folder / "tiada", by=BY)
    assert nowhere.value.field == "to"
    assert list(folder.iterdir()) == []


def test_an_admin_downloads_a_sealed_one_and_never_what_is_not_it(
    kept: Buckets, backup: Backup, registry: Flask
) -> None:
    panel = create_app(registry.extensions["siappakai.settings"])
    panel.config["WTF_CSRF_ENABLED"] = False
    client = panel.test_client()
    settings.put(settings.REQUIRE_TOTP_FOR_ADMINS, value=False, by=BY)
    admin = make_user(role=Role.ADMIN)
    with client.session_transaction() as session:
        session[COOKIE_KEY] = sessions.begin(admin.id, address="192.0.2.1", browser="")
    path, sha256 = f"/backups/{backup.id}/download", backup.sha256
    _spoil(kept, backup, "dua")
    answer = client.post(path)
    assert answer.status_code == 200
    assert hashlib.sha256(answer.data).hexdigest() == sha256
    assert backup.name in answer.headers["Content-Disposition"]
    _spoil(kept, backup, "satu")
    with pytest.raises(RefusedError), client.post(path, buffered=False) as broken:
        b"".join(broken.iter_encoded())
