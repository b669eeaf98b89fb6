"""The checkup: each check fails when what it looks at is wrong, and says what to mend."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from siappakai.config import Settings
from siappakai.credentials import new_key, read_keys, write_key_ring
from siappakai.models import Setting, utc_now
from siappakai.models.app import current_settings, open_registry
from siappakai.models.transactions import transaction
from siappakai.services import audit, execution, health, machine_checks, rounds
from tests.factories import make_server, make_site

pytestmark = pytest.mark.usefixtures("registry")


def check(name: str) -> health.Check:
    (found,) = (one for one in health.checkup() if one.name == name)
    assert bool(found.todo) is not found.ok
    assert found.detail
    return found


def use(registry: Flask, **changes: object) -> None:
    settings = current_settings()
    registry.extensions["siappakai.settings"] = Settings(
        **{**settings.model_dump(include={"state", "run_dir", "database_url"}), **changes}
    )


def test_a_whole_installation_is_well_but_for_what_does_not_run():
    unwell = {one.name for one in health.checkup() if not one.ok}
    # Whether somebody keeps its clock right is a matter of the machine.
    assert unwell - {"time"} == {"queue", "clock", "lookout"}


def test_a_missing_state_folder(registry: Flask, tmp_path: Path):
    use(registry, state=tmp_path / "nowhere")
    assert not check("state_folder").ok


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine_checks, "_FREE_BYTES", 1024**6)
    assert not check("disk").ok


def test_missing_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git" in check("programs").detail
    assert not check("programs").ok


def test_the_clock():
    assert not check("clock").ok
    execution.tick()
    assert check("clock").ok
    late = utc_now() - timedelta(seconds=4 * current_settings().tick_seconds)
    with transaction() as session:
        session.merge(Setting(key="last_tick_at", value=late.isoformat()))
    assert rounds.last_tick_at() == late
    assert not check("clock").ok


def test_a_tick_leaves_no_audit():
    execution.tick()
    execution.tick()
    assert audit.list_entries().total == 0


def test_the_key_file_opens_what_is_stored():
    make_site()
    assert check("key_file").ok
    assert "membuka" in check("key_file").detail


def test_a_change_of_the_key_that_was_cut_short():
    path = current_settings().credentials_file
    write_key_ring(path, [new_key(), *read_keys(path)])

    assert "rotate-key" in check("key_file").detail
    assert not check("key_file").ok


def test_a_lost_key_file():
    make_site()
    current_settings().credentials_file.unlink()
    assert not check("key_file").ok
    assert "cadangan" in check("key_file").todo
    assert not current_settings().credentials_file.exists()


def test_a_key_file_that_was_never_made():
    current_settings().credentials_file.unlink()
    assert "registry upgrade" in check("key_file").todo


def test_an_open_key_file():
    make_site()
    current_settings().credentials_file.chmod(0o640)
    assert "0640" in check("key_file").detail
    assert not check("key_file").ok


@pytest.mark.parametrize("content", [Fernet.generate_key(), b""], ids=["another key", "empty"])
def test_a_wrong_key_file(content: bytes):
    make_site()
    current_settings().credentials_file.write_bytes(content)
    assert not check("key_file").ok


def test_servers_are_judged_by_their_last_probe():
    make_server("baik", facts={"skew_seconds": 1.5, "disk_free_bytes": 99 * 1024**3})
    assert check("server_clocks").ok
    assert check("server_disks").ok
    make_server("buruk", facts={"skew_seconds": -90.0, "disk_free_bytes": 1024**3})
    make_server("belum dilihat")
    assert check("server_clocks").detail == "buruk: -90.0 detik"
    assert not check("server_clocks").ok
    assert check("server_disks").detail == "buruk: 1.0 GiB kosong"


def test_a_registry_behind_the_program(tmp_path: Path):
    empty = Settings(
        state=tmp_path, run_dir=tmp_path, database_url=f"sqlite:///{tmp_path}/x.sqlite3"
    )
    with open_registry(empty):
        names = {one.name: one for one in health.checkup()}
    assert not names["registry"].ok
    assert "siappakai registry upgrade" in names["registry"].todo
    assert "clock" not in names


def test_a_password_of_the_queue_is_not_shown(registry: Flask):
    use(registry, redis_url="unix://:hemlig@/nowhere/redis.sock")
    assert "hemlig" not in check("queue").detail
