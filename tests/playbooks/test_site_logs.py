"""The villages' logs are rotated as the villages' own users."""

import os
import pwd
import time
from pathlib import Path

import pytest

from playbooks.roles.base.files.rotate_site_logs import forget_daily_logs, site_logs, stanza


def _site(sites: Path, slug: str, owner: int) -> Path:
    logs = sites / slug / "storage" / "logs"
    logs.mkdir(parents=True)
    os.chown(logs.parent, owner, -1)
    os.chown(logs, owner, -1)
    return logs


def test_a_village_is_rotated_as_its_own_user() -> None:
    user = pwd.getpwnam("nobody")
    text = stanza(Path("/srv/s/opensid-5102012001/storage/logs"), user, 30)
    assert text.startswith("/srv/s/opensid-5102012001/storage/logs/*.log {\n")
    assert "    su nobody nogroup\n" in text
    assert "    rotate 30\n" in text


@pytest.mark.integration
def test_folders_of_root_and_links_are_left_alone(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    logs = _site(tmp_path, "opensid-5102012001", nobody)
    _site(tmp_path, "opensid-5102012002", 0)
    (tmp_path / "opensid-5102012003").mkdir()
    (tmp_path / "opensid-5102012003" / "storage").symlink_to(logs.parent)
    assert [(folder, user.pw_name) for folder, user in site_logs(tmp_path)] == [(logs, "nobody")]


@pytest.mark.integration
def test_old_daily_logs_go_and_young_ones_stay(tmp_path: Path) -> None:
    user = pwd.getpwnam("nobody")
    logs = _site(tmp_path, "opensid-5102012001", user.pw_uid)
    for folder in (tmp_path, *tmp_path.parents):
        # Those of pytest are closed to others; /tmp, which may come next, keeps its mode.
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o711)
    old = time.time() - 40 * 86400
    for name in ("log-2026-01-01.php", "other.php"):
        (logs / name).write_text("x")
        os.utime(logs / name, (old, old))
    (logs / "log-2026-02-01.php").write_text("x")
    forget_daily_logs(logs, user, 30)
    assert sorted(path.name for path in logs.iterdir()) == ["log-2026-02-01.php", "other.php"]
