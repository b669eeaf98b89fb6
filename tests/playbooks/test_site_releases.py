"""Archives become immutable folders, whole or not at all, whatever is in them."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils import releases
from playbooks.module_utils.outcome import EXPECTED, Refusal, failure
from playbooks.module_utils.releases import (
    MARKER,
    bring,
    is_present,
    php_of,
    release_folder,
    unpack,
)
from playbooks.module_utils.view import build_view

COMMIT = "4b3d56778f23b0e1230c1e667db554f012bbcdc6"
FILES = {
    "index.php": b"<?php // front",
    "app/Kernel.php": b"<?php",
    "assets/css/style.css": b"body{}",
    "assets/kelola_file/dialog.php": b"<?php",
    "assets/kelola_file/js/a.js": b"1",
    "storage/app/template/kk.rtf": b"rtf",
    "composer.json": b"{}",
}


def _archive(
    path: Path,
    files: dict[str, bytes],
    *odd: tarfile.TarInfo,
    top: str = "",
    commit: str = COMMIT,
) -> Path:
    headers = {"comment": commit}
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(top + name)
            member.size = len(content)
            member.mode = 0o6777
            archive.addfile(member, io.BytesIO(content))
        for member in odd:
            archive.addfile(member)
    return path


def _release(archive: Path, **changes: Any) -> Any:
    release = {
        "app": "opensid",
        "version": "v2410.0.0",
        "commit": COMMIT,
        "archive_sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "php_versions": ["8.2"],
    }
    return release | changes


def _layout(root: Path) -> Any:
    lock_dir, releases = str(root / "lock"), str(root / "releases")
    return {
        "lock_dir": lock_dir,
        "releases": releases,
        "sites": str(root / "sites"),
        "php": [{"version": "8.1"}, {"version": "8.2"}],
    }


@pytest.mark.parametrize("top", ["", "opensid-2410/"])
def test_an_archive_becomes_a_read_only_folder(tmp_path: Path, top: str) -> None:
    archive = _archive(tmp_path / "a.tar.gz", FILES, top=top)
    layout, release = _layout(tmp_path), _release(archive)
    assert not is_present(layout, release)
    unpack(layout, release, archive)
    folder = release_folder(layout, "opensid", "v2410.0.0")
    assert is_present(layout, release)
    for name, content in FILES.items():
        assert (folder / name).read_bytes() == content
        assert (folder / name).stat().st_mode & 0o7777 == 0o444
    assert (folder / "donjo-app/Middleware").stat().st_mode & 0o7777 == 0o555
    assert json.loads((folder / MARKER).read_text())["commit"] == COMMIT
    assert [path.name for path in folder.parent.iterdir()] == ["v2410.0.0"]


def test_an_unpacking_cut_short_is_begun_anew(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "a.tar.gz", FILES)
    layout, release = _layout(tmp_path), _release(archive)
    left = release_folder(layout, "opensid", "v2410.0.0.partial")
    left.mkdir(parents=True)
    (left / "old.php").write_text("half")
    unpack(layout, release, archive)
    assert not (release_folder(layout, "opensid", "v2410.0.0") / "old.php").exists()


def test_two_runs_at_once_unpack_once(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "a.tar.gz", FILES)
    layout, release = _layout(tmp_path), _release(archive)
    with ThreadPoolExecutor(4) as pool:
        brought = list(pool.map(lambda _: bring(layout, release, archive), range(4)))
    assert sorted(brought) == [False, False, False, True]
    assert not archive.exists()
    assert is_present(layout, release)


def test_a_release_that_loses_a_file_on_the_way_is_not_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = _archive(tmp_path / "a.tar.gz", FILES)
    layout, release = _layout(tmp_path), _release(archive)
    open_archive = tarfile.open

    @contextmanager
    def meddle(*words: Any) -> Iterator[tarfile.TarFile]:
        with open_archive(*words) as members:
            yield members
        (release_folder(layout, "opensid", "v2410.0.0.partial") / "composer.json").unlink()

    monkeypatch.setattr(releases.tarfile, "open", meddle)
    with pytest.raises(Refusal) as refusal:
        bring(layout, release, archive)
    assert refusal.value.code == "archive_incomplete"
    assert not is_present(layout, release)
    assert archive.exists()


def _link(kind: bytes, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo("app/link")
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "odd",
    [
        _link(tarfile.SYMTYPE, "/etc/passwd"),
        _link(tarfile.LNKTYPE, "index.php"),
        _link(tarfile.CHRTYPE, ""),
        tarfile.TarInfo("../outside.php"),
        tarfile.TarInfo("/outside.php"),
    ],
    ids=["symlink", "hardlink", "device", "upwards", "absolute"],
)
def test_what_could_leave_the_folder_is_refused(tmp_path: Path, odd: tarfile.TarInfo) -> None:
    archive = _archive(tmp_path / "a.tar.gz", FILES, odd)
    layout = _layout(tmp_path)
    with pytest.raises(Refusal) as refusal:
        unpack(layout, _release(archive), archive)
    assert refusal.value.code == "archive_unsafe"
    assert not (tmp_path / "outside.php").exists()
    assert not release_folder(layout, "opensid", "v2410.0.0").exists()


@pytest.mark.parametrize(
    ("changes", "files", "code"),
    [
        ({"archive_sha256": "0" * 64}, FILES, "archive_damaged"),
        ({"commit": "f" * 40}, FILES, "archive_damaged"),
        ({}, {"README.md": b"nothing"}, "archive_incomplete"),
    ],
)
def test_a_wrong_archive_is_refused(
    tmp_path: Path, changes: dict[str, str], files: dict[str, bytes], code: str
) -> None:
    archive = _archive(tmp_path / "a.tar.gz", files)
    with pytest.raises(Refusal) as refusal:
        unpack(_layout(tmp_path), _release(archive, **changes), archive)
    assert refusal.value.code == code


@pytest.mark.parametrize("size", [60, 150, 0])
def test_an_archive_cut_off_is_an_expected_failure(tmp_path: Path, size: int) -> None:
    archive = _archive(tmp_path / "a.tar.gz", FILES)
    archive.write_bytes(archive.read_bytes()[:size])
    with pytest.raises(EXPECTED) as problem:
        unpack(_layout(tmp_path), _release(archive), archive)
    assert failure(problem.value)["error"]["code"] == "archive_damaged"


def test_another_commit_under_a_version_that_sites_have_is_refused(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "a.tar.gz", FILES)
    layout, release = _layout(tmp_path), _release(archive)
    unpack(layout, release, archive)
    (tmp_path / "sites/opensid-5102012001/rel/v2410.0.0").mkdir(parents=True)
    with pytest.raises(Refusal) as refusal:
        is_present(layout, release | {"commit": "f" * 40})
    assert refusal.value.code == "release_moved"


def test_only_a_php_the_release_was_seen_on_will_do(tmp_path: Path) -> None:
    layout = _layout(tmp_path)
    release: Any = {"app": "opensid", "version": "v2410.0.0", "php_versions": ["8.2", "8.3"]}
    assert php_of(layout, release, "8.2")["version"] == "8.2"
    for version, code in (("8.1", "php_not_seen"), ("8.3", "php_missing")):
        with pytest.raises(Refusal) as refusal:
            php_of(layout, release, version)
        assert refusal.value.code == code


def test_a_view_links_into_the_release_and_owns_what_must_be_real(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "a.tar.gz", FILES)
    layout, release = _layout(tmp_path), _release(archive)
    unpack(layout, release, archive)
    code = release_folder(layout, "opensid", "v2410.0.0")
    site = tmp_path / "site"
    (site / "rel").mkdir(parents=True)
    assert build_view(str(site), str(code), "v2410.0.0")
    assert not build_view(str(site), str(code), "v2410.0.0")
    view = site / "rel/v2410.0.0"
    assert os.path.samestat((view / "index.php").lstat(), (code / "index.php").lstat())
    assert (view / "app").readlink() == code / "app"
    assert (view / "assets/css").readlink() == code / "assets/css"
    manager = view / "assets/kelola_file"
    assert not manager.is_symlink()
    assert not (manager / "dialog.php").is_symlink()
    assert (view / "desa").readlink() == Path("../../desa")
    assert (view / "storage/framework").readlink() == Path("../../../storage/fw/v2410.0.0")
    assert not (view / "composer.json").exists()


def test_a_release_no_site_has_makes_room_for_another_commit(tmp_path: Path) -> None:
    first = _archive(tmp_path / "a.tar.gz", FILES)
    layout = _layout(tmp_path)
    unpack(layout, _release(first), first)
    changed = FILES | {"index.php": b"<?php // new"}
    second = _archive(tmp_path / "b.tar.gz", changed, commit="f" * 40)
    release = _release(second) | {"commit": "f" * 40}
    assert not is_present(layout, release)
    assert bring(layout, release, second)
    folder = release_folder(layout, "opensid", "v2410.0.0")
    assert (folder / "index.php").read_bytes() == b"<?php // new"
    assert is_present(layout, release)
