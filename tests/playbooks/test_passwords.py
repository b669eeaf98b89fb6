"""The password in a site's settings, read by root in a folder that is the village's."""

from pathlib import Path

import pytest

from playbooks.module_utils.passwords import in_use

SETTINGS = "<?php\n$db['default']['password'] = 'abcDEF123';\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "site/desa/config"
    folder.mkdir(parents=True)
    return folder


def test_it_is_read_from_the_settings(config: Path, tmp_path: Path) -> None:
    (config / "database.php").write_text(SETTINGS)
    assert in_use(str(tmp_path / "site")) == "abcDEF123"


def test_a_link_to_settings_of_another_is_not_followed(config: Path, tmp_path: Path) -> None:
    (tmp_path / "other.php").write_text(SETTINGS)
    (config / "database.php").symlink_to(tmp_path / "other.php")
    assert in_use(str(tmp_path / "site")) == ""


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"password = none"])
def test_settings_that_are_not_ours_hold_none(config: Path, tmp_path: Path, content: bytes) -> None:
    (config / "database.php").write_bytes(content)
    assert in_use(str(tmp_path / "site")) == ""
