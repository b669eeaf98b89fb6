"""A site is closed and opened by whoever closed it, and by nobody else."""

from __future__ import annotations

from pathlib import Path

from playbooks.module_utils import site_tree, tree
from playbooks.module_utils.closing import close, reopen


def test_what_a_removal_closed_and_left_is_opened_again(tmp_path: Path) -> None:
    assert close(str(tmp_path))
    assert not close(str(tmp_path))
    assert (tmp_path / "maintenance").is_file()
    assert reopen(str(tmp_path))
    assert not (tmp_path / "maintenance").exists()
    assert not reopen(str(tmp_path))


def test_a_dry_look_closes_nothing(tmp_path: Path) -> None:
    assert close(str(tmp_path), dry=True)
    assert list(tmp_path.iterdir()) == []


def test_past_the_archive_a_site_stays_closed(tmp_path: Path) -> None:
    close(str(tmp_path))
    tree.apply(str(tmp_path), [site_tree.note_entry({"removing": "/archive/desa"})])
    assert not reopen(str(tmp_path))
    assert (tmp_path / "maintenance").is_file()


def test_what_somebody_else_closed_stays_closed(tmp_path: Path) -> None:
    (tmp_path / "maintenance").touch()
    assert not close(str(tmp_path))
    assert not reopen(str(tmp_path))
    assert (tmp_path / "maintenance").is_file()
