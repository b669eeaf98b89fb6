"""Archives that strangers made: what is the village's comes out, and nothing else."""

import gzip
import io
import os
import secrets
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from playbooks.module_utils.account import Account
from playbooks.module_utils.bundles import members
from playbooks.module_utils.outcome import Refusal
from playbooks.module_utils.village_files import Files, Limits, Place, plan, survey, unpack

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners are given by root")
NOBODY = Account(65534, 65534)
KEY = b"base64:AAAA"
VILLAGE = {
    "desa/app_key": KEY,
    "desa/config/database.php": b"<?php rahasia",
    "desa/upload/foto.jpg": b"\xff\xd8foto",
    "desa/upload/surat desa.com.pdf": b"%PDF",
    "desa/logo/logo.png": b"\x89PNG",
}
Pack = Callable[[Path, dict[str, bytes]], Path]


def _zip(folder: Path, contents: dict[str, bytes]) -> Path:
    path = folder / "desa.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def _tar(folder: Path, contents: dict[str, bytes], *odd: tarfile.TarInfo) -> Path:
    path = folder / "desa.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in odd:
            archive.addfile(info)
    return path


def _tar_gz(folder: Path, contents: dict[str, bytes]) -> Path:
    path = folder / "desa.tar.gz"
    path.write_bytes(gzip.compress(_tar(folder, contents).read_bytes()))
    return path


def _tar_zst(folder: Path, contents: dict[str, bytes]) -> Path:
    subprocess.run(["zstd", "-q", "--rm", str(_tar(folder, contents))], check=True)
    return folder / "desa.tar.zst"


@pytest.fixture(params=[_zip, _tar, _tar_gz, _tar_zst])
def pack(request: pytest.FixtureRequest) -> Pack:
    return request.param


def _unpacked(archive: Path, limits: Limits = Limits()) -> tuple[Files, dict[str, bytes]]:  # noqa: B008 - frozen
    top = archive.parent / secrets.token_hex(4)
    top.mkdir(mode=0o700)
    root = plan(archive, NOBODY).root
    told = unpack(archive, NOBODY, root, limits, Place(top, 4321, 33))
    assert survey(archive, NOBODY, root, limits) == told
    for path in top.rglob("*"):
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == (4321, 33)
        assert stat.S_IMODE(found.st_mode) == (0o2775 if path.is_dir() else 0o644)
    return told, {
        str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()
    }


def test_the_villages_files_come_out_of_every_format(tmp_path: Path, pack: Pack) -> None:
    archive = pack(tmp_path, {f"public_html/{name}": data for name, data in VILLAGE.items()})
    found = plan(archive, NOBODY)
    assert (found.root, found.app_key) == (PurePosixPath("public_html/desa"), KEY.decode())
    told, files = _unpacked(archive)
    assert files == {
        "upload/foto.jpg": b"\xff\xd8foto",
        "upload/surat desa.com.pdf": b"%PDF",
        "logo/logo.png": b"\x89PNG",
    }
    assert (told.files, told.size, told.left_out) == (3, 14, 0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("desa/upload/a.php", b"x"),
        ("desa/upload/a.PHP5", b"x"),
        ("desa/upload/a.php.jpg", b"\xff\xd8"),
        ("desa/upload/a.phtml", b"x"),
        ("desa/upload/a.sh", b"x"),
        ("desa/upload/.htaccess", b"AddType application/x-httpd-php .jpg"),
        ("desa/.user.ini", b"auto_prepend_file=x"),
        ("desa/upload/foto2.jpg", b"<?php system($_GET[0]);"),
        ("desa/upload/foto3.jpg", b"GIF89a <?PHP system($_GET[0]);"),
        ("desa/upload/alat", b"\x7fELF\x02"),
        ("desa/upload/skrip.txt", b"#!/bin/sh\n"),
    ],
)
def test_what_could_be_executed_is_left_out_and_named(
    tmp_path: Path, name: str, content: bytes
) -> None:
    told, files = _unpacked(_zip(tmp_path, {**VILLAGE, name: content}))
    assert len(files) == told.files == 3
    assert (told.left_out, told.examples) == (1, [name.removeprefix("desa/")])


@pytest.mark.parametrize(
    "name", ["../luar", "desa/../../luar", "/etc/cron.d/x", "desa\\..\\x", "C:/x", "desa/a\nb"]
)
def test_a_name_that_leads_outside_refuses_the_archive(
    tmp_path: Path, pack: Pack, name: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        _unpacked(pack(tmp_path, {**VILLAGE, name: b"x"}))
    assert refusal.value.code == "files_refused"
    assert not (tmp_path.parent / "luar").exists()


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    odd = []
    for kind, name in (
        (tarfile.SYMTYPE, "tautan"),
        (tarfile.LNKTYPE, "keras"),
        (tarfile.CHRTYPE, "alat"),
        (tarfile.FIFOTYPE, "pipa"),
    ):
        info = tarfile.TarInfo(f"desa/upload/{name}")
        info.type, info.linkname = kind, "/etc/passwd"
        odd.append(info)
    told, files = _unpacked(_tar(tmp_path, VILLAGE, *odd))
    assert (told.left_out, len(files)) == (4, 3)


def test_a_link_in_a_zip_is_left_out(tmp_path: Path) -> None:
    archive = _zip(tmp_path, VILLAGE)
    with zipfile.ZipFile(archive, "a") as more:
        link = zipfile.ZipInfo("desa/upload/tautan")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        more.writestr(link, "/etc/passwd")
        more.writestr("desa/upload/tautan/dalam.jpg", "x")
    told, files = _unpacked(archive)
    assert told.left_out == 1
    assert files["upload/tautan/dalam.jpg"] == b"x"


def test_a_bomb_is_stopped_by_what_comes_out_of_it(tmp_path: Path, pack: Pack) -> None:
    archive = pack(tmp_path, {**VILLAGE, "desa/upload/nol.bin": bytes(5_000_000)})
    with pytest.raises(Refusal) as refusal:
        _unpacked(archive, Limits(size=1_000_000))
    assert refusal.value.code == "files_too_large"
    with pytest.raises(Refusal) as refusal:
        _unpacked(archive, Limits(files=3))
    assert refusal.value.code == "files_too_large"


def test_a_header_that_asks_for_all_memory_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("desa/x")
    header.type, header.size = tarfile.XHDTYPE, 6 << 30
    archive = tmp_path / "desa.tar.gz"
    with gzip.open(archive, "wb", compresslevel=1) as file:
        file.write(header.tobuf())
        for _ in range(1200):
            file.write(bytes(1 << 20))
    with pytest.raises(Refusal, match="memory"):
        plan(archive, NOBODY)


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.999])
def test_an_archive_that_was_cut_off_is_refused(tmp_path: Path, pack: Pack, cut: float) -> None:
    contents = {**VILLAGE, "desa/upload/acak.bin": secrets.token_bytes(50_000)}
    archive = pack(tmp_path, contents)
    # Of the zeros a tar is filled up with the first 1024 are its end.
    whole = archive.read_bytes().rstrip(b"\0") + (bytes(1024) if pack is _tar else b"")
    archive.write_bytes(whole[: int(len(whole) * cut)])
    with pytest.raises(Refusal) as refusal:
        _unpacked(archive)
    assert refusal.value.code == "files_refused"


@pytest.mark.parametrize(
    ("contents", "word"),
    [
        ({"desa/upload/a.jpg": b"x"}, "no app_key"),
        ({"a/desa/app_key": b"x", "b/desa/app_key": b"y"}, "more than one"),
    ],
)
def test_exactly_one_village_must_be_in_it(
    tmp_path: Path, contents: dict[str, bytes], word: str
) -> None:
    with pytest.raises(Refusal, match=word):
        plan(_zip(tmp_path, contents), NOBODY)


def test_dumps_beside_the_folder_are_found_and_those_in_it_are_not(tmp_path: Path) -> None:
    more = {"basisdata.sql.gz": b"x", "desa/upload/lama.sql": b"x"}
    found = plan(_zip(tmp_path, {**VILLAGE, **more}), NOBODY)
    assert found.sql == (PurePosixPath("basisdata.sql.gz"),)


def test_a_locked_zip_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path, VILLAGE)
    data = bytearray(archive.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 4)
    archive.write_bytes(data)
    with pytest.raises(Refusal, match="password"), members(archive, NOBODY) as found:
        list(found)
