"""Folders, files and links are compared and made without following anybody's links."""

import os
from pathlib import Path

import pytest

from playbooks.module_utils.outcome import Refusal
from playbooks.module_utils.tree import Entry, apply, differing, misowned, read_file

ME, MINE = os.getuid(), os.getgid()


def _folder(path: str, mode: int = 0o750) -> Entry:
    return Entry(path, mode, ME, MINE)


def _file(path: str, content: bytes, mode: int = 0o640) -> Entry:
    return Entry(path, mode, ME, MINE, content)


WANTED = [
    _folder("desa", 0o2750),
    _folder("desa/config"),
    _file("desa/config/database.php", b"<?php"),
    Entry("current", target="rel/v1"),
]


def test_what_was_made_does_not_differ(tmp_path: Path) -> None:
    assert differing(str(tmp_path), WANTED) == WANTED
    apply(str(tmp_path), WANTED)
    assert differing(str(tmp_path), WANTED) == []
    assert (tmp_path / "desa").stat().st_mode & 0o7777 == 0o2750
    assert (tmp_path / "current").readlink() == Path("rel/v1")


def test_a_missing_root_means_everything_is_missing(tmp_path: Path) -> None:
    assert differing(str(tmp_path / "none"), WANTED) == WANTED


@pytest.mark.parametrize(
    ("spoil", "entry"),
    [
        (lambda root: (root / "desa/config").chmod(0o755), WANTED[1]),
        (lambda root: (root / "desa/config/database.php").write_text("<?php evil"), WANTED[2]),
        (lambda root: (root / "desa/config/database.php").unlink(), WANTED[2]),
    ],
)
def test_a_difference_is_found_and_mended(tmp_path: Path, spoil: object, entry: Entry) -> None:
    apply(str(tmp_path), WANTED)
    assert callable(spoil)
    spoil(tmp_path)
    assert differing(str(tmp_path), WANTED) == [entry]
    apply(str(tmp_path), [entry])
    assert differing(str(tmp_path), WANTED) == []


def test_an_owner_and_mode_are_told_apart_from_content(tmp_path: Path) -> None:
    apply(str(tmp_path), WANTED)
    (tmp_path / "desa/config/database.php").write_text("<?php new")
    assert misowned(str(tmp_path), WANTED) == []
    (tmp_path / "desa/config").rename(tmp_path / "desa/aside")
    (tmp_path / "desa/config").symlink_to("aside")
    assert misowned(str(tmp_path), WANTED) == ["desa/config", "desa/config/database.php"]


def test_the_link_is_replaced_in_place(tmp_path: Path) -> None:
    apply(str(tmp_path), WANTED)
    apply(str(tmp_path), [Entry("current", target="rel/v2")])
    assert (tmp_path / "current").readlink() == Path("rel/v2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current", "desa"]


def test_a_link_in_place_of_a_folder_leads_nowhere(tmp_path: Path) -> None:
    """A village may swap its own folders for links; root must not write behind them."""
    outside = tmp_path / "outside"
    outside.mkdir()
    site = tmp_path / "site"
    (site / "desa").mkdir(parents=True)
    (site / "desa/config").symlink_to(outside)
    assert WANTED[2] in differing(str(site), WANTED)
    with pytest.raises((Refusal, OSError)):
        apply(str(site), WANTED)
    assert list(outside.iterdir()) == []


def test_a_link_in_place_of_a_file_is_replaced_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (tmp_path / "app_key").symlink_to(outside)
    entry = _file("app_key", b"base64:x")
    assert differing(str(tmp_path), [entry]) == [entry]
    apply(str(tmp_path), [entry])
    assert outside.read_text() == "precious"
    assert (tmp_path / "app_key").read_bytes() == b"base64:x"
    assert not (tmp_path / "app_key").is_symlink()


def test_reading_follows_no_link_and_waits_for_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("here")
    (tmp_path / "stolen").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe")
    assert read_file(str(tmp_path), "note") == b"here"
    assert read_file(str(tmp_path), "missing") is None
    assert read_file(str(tmp_path), "note/below") is None
    assert read_file(str(tmp_path), "pipe") is None
    assert read_file(str(tmp_path), "stolen") is None


def test_something_else_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "desa").write_text("a file")
    with pytest.raises(Refusal) as refusal:
        apply(str(tmp_path), WANTED)
    assert refusal.value.code == "path_blocked"
    assert refusal.value.params == {"path": "desa"}
