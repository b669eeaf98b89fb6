"""The journal of a restore outlives a loss of power, and one that is damaged decides nothing."""

import os
from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils import journals, switching, tree
from playbooks.module_utils.journals import Journal
from playbooks.module_utils.outcome import Refusal

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a journal is root's")


@pytest.fixture
def journal() -> Journal:
    return Journal(7, "uji.age", "site", "v2410.0.0", "2030-01-01T00:00:00+00:00")


def test_what_is_written_is_read(tmp_path: Path, journal: Journal) -> None:
    assert journals.read(str(tmp_path)) is None
    journals.write(str(tmp_path), journal)
    assert journals.read(str(tmp_path)) == journal
    assert (tmp_path / "aside").stat().st_mode & 0o777 == 0o700


def test_its_content_is_on_the_disk_before_its_name(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system may keep a rename and lose what was written before it."""
    deeds: list[tuple[str, int]] = []
    sync, rename = os.fsync, os.rename

    def synced(descriptor: int) -> None:
        deeds.append(("synced", os.fstat(descriptor).st_ino))
        sync(descriptor)

    def renamed(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        deeds.append(("renamed", os.stat(source, dir_fd=src_dir_fd).st_ino))
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    journals.write(str(tmp_path), journal)
    file, folder = tmp_path / "aside/journal.json", tmp_path / "aside"
    inode = file.stat().st_ino
    assert deeds == [
        ("synced", tmp_path.stat().st_ino),
        ("synced", inode),
        ("renamed", inode),
        ("synced", folder.stat().st_ino),
    ]
    deeds.clear()
    (tmp_path / "desa").mkdir()
    tree.move(str(tmp_path), "desa", "aside/desa")
    assert [what for what, _ in deeds] == ["renamed", "synced", "synced"]


_TORN = ["", "{", '{"run": 7', "[]", '{"run": 7}', "\x00" * 40]


@pytest.mark.parametrize("text", _TORN)
def test_a_damaged_journal_is_told_and_nothing_is_undone(
    tmp_path: Path, journal: Journal, text: str
) -> None:
    journals.write(str(tmp_path), journal)
    (tmp_path / "aside/journal.json").write_text(text)
    (tmp_path / "maintenance").write_text("restore\n")
    site: Any = {"folder": str(tmp_path), "slug": "opensid-5102012001"}
    admin: Any = None
    layout: Any = {}
    for look in (journals.read, journals.told):
        with pytest.raises(Refusal, match="handbook") as refusal:
            look(str(tmp_path))
        assert refusal.value.code == "journal_damaged"
    with pytest.raises(Refusal, match="handbook"):
        switching.settle(layout, site, admin)
    assert not switching.is_cut_off(site), "others on its server are settled all the same"
    assert (tmp_path / "maintenance").exists(), "what was closed stays closed"


def test_an_unknown_phase_is_no_journal(tmp_path: Path, journal: Journal) -> None:
    journal.phase = "dreaming"
    journals.write(str(tmp_path), journal)
    with pytest.raises(Refusal, match="handbook"):
        journals.read(str(tmp_path))


def test_states_whose_journal_is_lost_are_not_taken_for_rubbish(tmp_path: Path) -> None:
    (tmp_path / "aside/old").mkdir(parents=True)
    assert journals.read(str(tmp_path)) is None
    (tmp_path / "aside/old/desa").mkdir()
    with pytest.raises(Refusal, match="handbook"):
        journals.read(str(tmp_path))
