"""Whatever became of a backup in a store: opening it names that, or takes it from another one."""

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from siappakai.credentials import new_age_pair
from siappakai.domain.backups import CopyState
from siappakai.errors import RefusedError, SiapPakaiError
from siappakai.models import Backup, BackupCopy, Site, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import incoming, restores, stores
from siappakai.services.errands import stored_name
from tests.buckets import Buckets, buckets
from tests.factories import BY, make_release, make_site

pytestmark = [pytest.mark.integration, pytest.mark.patient]
KEY, RECIPIENT = new_age_pair()
CHUNK = 1 << 16  # as age seals them


@pytest.fixture(scope="module")
def service() -> Iterator[Buckets]:
    with buckets() as found:
        yield found


@pytest.fixture
def kept(registry: Flask, service: Buckets) -> Iterator[Buckets]:
    yield service
    service.empty()


def sealed(app_key: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in (
            ("manifest.json", b"{}"),
            ("files/desa/app_key", app_key.encode()),
            ("files/desa/upload/foto.jpg", os.urandom(5 * CHUNK)),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    packed = subprocess.run(["zstd", "-qc"], input=made.getvalue(), capture_output=True, check=True)
    lock = ["age", "--encrypt", f"--recipient={RECIPIENT}"]
    return subprocess.run(lock, input=packed.stdout, capture_output=True, check=True).stdout


def backed_up(kept: Buckets, site: Site) -> Backup:
    """A backup of a site that every store has."""
    content = sealed(f"kunci-{site.village.code}")
    with transaction() as session:
        backup = Backup(
            site_id=site.id,
            server_id=site.server_id,
            name=f"{site.village.code}.age",
            taken_at=utc_now(),
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            is_spooled=False,
        )
        for store in stores.list_stores():
            backup.copies.append(BackupCopy(store_id=store.id, state=CopyState.STORED))
        session.add(backup)
        session.flush()
    for store in stores.list_stores():
        kept.put(store.name, stored_name(backup), content)
    return backup


Damage = Callable[[bytes, bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "one byte": lambda own, _: own[:CHUNK] + bytes([own[CHUNK] ^ 1]) + own[CHUNK + 1 :],
    "its tail cut": lambda own, _: own[:-100],
    "a chunk lost": lambda own, _: own[: CHUNK + 500] + own[2 * CHUNK + 516 :],
    "another village's": lambda _, other: other,
    "nothing": lambda _own, _other: b"",
}


_IN_THE_GATE = {"one byte", "another village's"}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(work, id=name, marks=[] if name in _IN_THE_GATE else [pytest.mark.soak])
        for name, work in DAMAGES.items()
    ],
)
def test_damage_is_named_nothing_is_kept_and_another_store_is_asked(
    kept: Buckets, damage: Damage
) -> None:
    for name in ("satu", "dua"):
        kept.add_store(name)
    mine, other = (backed_up(kept, make_site(release=make_release())) for _ in range(2))
    for store in ("satu", "dua"):
        own, others = (kept.get(store, stored_name(one)) for one in (mine, other))
        kept.put(store, stored_name(mine), damage(own, others))
    with pytest.raises(RefusedError, match=rf"{mine.name} bukan yang dahulu|rusak") as refusal:
        restores.open_backup(mine, identity=KEY, by=BY)
    assert refusal.value.todo
    assert opened() == []
    kept.put("dua", stored_name(mine), own)
    restores.open_backup(mine, identity=KEY, by=BY)
    bundle = incoming.received(mine.site.village.code)
    assert (bundle.app_key, bundle.backup_id) == (f"kunci-{mine.site.village.code}", mine.id)
    assert [path.stat().st_mode & 0o777 for path in opened()] == [0o700]


def test_another_key_and_a_backup_that_is_gone_are_named(kept: Buckets) -> None:
    kept.add_store("satu")
    backup = backed_up(kept, make_site(release=make_release()))
    with pytest.raises(RefusedError, match="tidak membuka"):
        restores.open_backup(backup, identity=new_age_pair()[0], by=BY)
    kept.delete("satu", stored_name(backup))
    with pytest.raises(SiapPakaiError, match="tidak ada di penyimpanan"):
        restores.open_backup(backup, identity=KEY, by=BY)
    assert opened() == []
    assert db.session.get(Backup, backup.id) is not None


def opened() -> list[Path]:
    return list((current_settings().state / "incoming").glob("*"))
