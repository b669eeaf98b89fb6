"""Folders on /run come back after a reboot."""

from pathlib import Path
from typing import Any

import pytest

from playbooks.module_utils.run_folders import make_run_folders, missing_run_folders


@pytest.fixture
def layout(tmp_path: Path) -> dict[str, Any]:
    run = tmp_path / "run"
    return {
        "services": "private",
        "run_dir": str(run),
        "lock_dir": str(run / "locks"),
        "db_socket": str(run / "mariadb" / "mariadb.sock"),
    }


def test_every_folder_is_missing_after_a_reboot(layout: dict[str, Any]) -> None:
    run = layout["run_dir"]
    assert missing_run_folders(layout) == [run, f"{run}/locks", f"{run}/mariadb"]


def test_the_machines_own_database_keeps_its_own_folder(layout: dict[str, Any]) -> None:
    run = layout["run_dir"]
    assert missing_run_folders({**layout, "services": "system"}) == [run, f"{run}/locks"]


@pytest.mark.integration
def test_they_are_made_once_with_their_modes(layout: dict[str, Any]) -> None:
    made = make_run_folders(layout)
    run = Path(layout["run_dir"])
    assert len(made) == 3
    assert run.stat().st_mode & 0o777 == 0o755
    assert (run / "locks").stat().st_mode & 0o777 == 0o700
    assert (run / "mariadb").owner() == "mysql"
    assert make_run_folders(layout) == []
