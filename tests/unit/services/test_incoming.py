"""The files of a village are received whole, closed to others, and not kept for ever."""

import io
import os
import signal
import subprocess
import tarfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from flask import Flask

from siappakai.domain.states import RunState, ServerState
from siappakai.errors import ConflictError, InvalidInputError, RefusedError
from siappakai.models import Run, Site, Village, db
from siappakai.services import adoptions, exports, incoming, site_secrets
from siappakai.services.adoptions import Wish
from tests import factories

KEY = "base64:" + "A" * 43 + "="
SQL = b"CREATE TABLE config (id INT);\n"


@pytest.fixture
def village(registry: Flask) -> Village:
    return factories.make_village("5102012001")


def _zip(contents: dict[str, bytes]) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    made.seek(0)
    return made


def _desa(key: str = KEY) -> io.BytesIO:
    return _zip({"desa/app_key": key.encode(), "desa/upload/a.jpg": b"foto"})


def _receive(village: Village, database: bytes | None = SQL) -> incoming.Bundle:
    sql = io.BytesIO(database) if database is not None else None
    return incoming.receive(village.code, files=_desa(), database=sql, by=factories.BY)


def test_it_is_kept_closed_and_replaced_by_the_next(village: Village) -> None:
    first = _receive(village)
    assert first.app_key == KEY
    assert {path.stat().st_mode & 0o777 for path in first.folder.iterdir()} == {0o600}
    assert first.folder.stat().st_mode & 0o777 == 0o700
    assert Path(first.paths()["database"]).read_bytes() == SQL
    second = _receive(village, database=None)
    assert second.paths()["database"] == ""
    assert second.digest != first.digest
    assert [path.name for path in first.folder.parent.iterdir()] == [village.code]
    assert incoming.received_as(village.code, second.digest) == second
    with pytest.raises(ConflictError):
        incoming.received_as(village.code, first.digest)
    incoming.forget(village.code)
    with pytest.raises(RefusedError):
        incoming.received(village.code)


@pytest.mark.parametrize(
    "files",
    [
        io.BytesIO(b"no archive at all"),
        _zip({"desa/upload/a.jpg": b"foto"}),
        _zip({"a/desa/app_key": KEY.encode(), "b/desa/app_key": KEY.encode()}),
        _desa("'; DROP TABLE config; --"),
        _desa(""),
    ],
)
def test_what_is_no_villages_folder_is_refused_and_not_kept(
    village: Village, files: io.BytesIO
) -> None:
    files.seek(0)
    with pytest.raises(InvalidInputError) as refusal:
        incoming.receive(village.code, files=files, database=None, by=factories.BY)
    assert refusal.value.field == "files"
    with pytest.raises(RefusedError):
        incoming.received(village.code)


@pytest.mark.parametrize("packing", ["tar", "tar.gz", "tar.zst"])
def test_the_key_is_found_in_every_format(village: Village, tmp_path: Path, packing: str) -> None:
    path = tmp_path / "desa.tar"
    with tarfile.open(path, "w:gz" if packing == "tar.gz" else "w") as archive:
        info = tarfile.TarInfo("./desa/app_key")
        info.size = len(KEY)
        archive.addfile(info, io.BytesIO(KEY.encode()))
    if packing == "tar.zst":
        subprocess.run(["zstd", "-q", "--rm", str(path)], check=True)
        path = path.with_suffix(".tar.zst")
    with path.open("rb") as files:
        kept = incoming.receive(village.code, files=files, database=None, by=factories.BY)
    assert kept.app_key == KEY


def test_what_nobody_came_back_for_is_deleted(village: Village) -> None:
    kept = _receive(village)
    old = time.time() - (incoming.KEPT_DAYS + 1) * 86400
    os.utime(kept.folder, (old, old))
    incoming.forget_old()
    assert not kept.folder.exists()


def test_what_a_killed_process_left_half_received_is_deleted_and_nothing_else(
    village: Village,
) -> None:
    """The opened backup of a village is everything about its people, in clear."""
    top = _receive(village).folder.parent
    ready, plain = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(plain[0], "rb", buffering=0) as coming, suppress(BaseException):
            os.write(ready[1], b".")
            incoming.receive_backup(
                "5102012002", coming, backup_id=1, manifest_sha256="", by=factories.BY
            )
        os._exit(0)
    assert os.read(ready[0], 1)
    os.write(plain[1], b"terang")
    until = time.monotonic() + 10
    while time.monotonic() < until and not [*top.glob(".5102012002-*/files")]:
        time.sleep(0.02)
    (half,) = top.glob(".5102012002-*")
    assert half.stat().st_mode & 0o777 == top.stat().st_mode & 0o777 == 0o700
    old = time.time() - 3600
    os.utime(half, (old, old))
    incoming.forget_old()
    assert half.exists(), "somebody is at work there"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    incoming.forget_old()
    assert not half.exists()
    assert [path.name for path in top.iterdir()] == [village.code]
    for descriptor in (*ready, *plain):
        os.close(descriptor)


def _wish() -> Wish:
    server = factories.make_server(state=ServerState.READY)
    return Wish(server, "bajera.desa.id", factories.make_release())


def test_a_request_plans_the_site_with_the_villages_own_key(village: Village) -> None:
    bundle = _receive(village)
    run = adoptions.request(village, _wish(), only_look=True, by=factories.BY)
    site = db.session.get_one(Site, run.targets[0].site_id)
    assert run.play == "inspect"
    assert site_secrets.unsealed(site.app_key_sealed) == KEY
    assert adoptions.play_vars(run) == {"upload": bundle.paths(), "copied": False}
    assert exports.play_vars(run) == {}
    # Another file than the one that was asked about.
    _receive(village, database=b"CREATE TABLE lain (id INT);")
    with pytest.raises(ConflictError):
        adoptions.play_vars(run)


def test_files_go_once_the_village_has_moved_in(village: Village) -> None:
    bundle = _receive(village)
    run = adoptions.request(village, _wish(), only_look=False, by=factories.BY)
    adoptions.clear_up(run.id)
    assert bundle.folder.exists()
    run.state = run.targets[0].state = RunState.SUCCEEDED
    db.session.commit()
    adoptions.clear_up(run.id)
    assert not bundle.folder.exists()


def test_nothing_is_asked_for_without_files_or_a_place(village: Village) -> None:
    with pytest.raises(RefusedError):
        adoptions.request(village, _wish(), only_look=True, by=factories.BY)
    _receive(village)
    server = factories.make_server(state=ServerState.READY)
    for lacking, field in (
        (Wish(), "server"),
        (Wish(server), "domain"),
        (Wish(server, "bajera.desa.id"), "release"),
    ):
        with pytest.raises(InvalidInputError) as refusal:
            adoptions.request(village, lacking, only_look=True, by=factories.BY)
        assert refusal.value.field == field
    assert db.session.query(Run).count() == 0
