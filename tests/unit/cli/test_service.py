"""`siappakai service`, as far as it goes without a machine of its own."""

import os
from pathlib import Path

import pytest

from siappakai.models import User, db
from siappakai.services import service
from tests.unit.cli.conftest import Call


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a service."""
    places = service.Places(root=tmp_path / "opt", etc=tmp_path / "etc")
    monkeypatch.setattr(service, "PLACES", places)


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_only_root_may(siappakai: Call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for verb in (["install"], ["upgrade", "--yes"], ["activate"], ["uninstall", "--yes"]):
        said = siappakai("service", *verb, "--json")
        assert said.exit_code == 5
        assert said.error["what"] == "Perintah ini hanya untuk root."


@pytest.mark.usefixtures("root")
def test_a_machine_without_a_service_has_no_units(siappakai: Call):
    assert siappakai("service", "status", "--json").json["items"] == []


@pytest.mark.usefixtures("root")
def test_without_systemd_an_upgrade_is_refused(siappakai: Call):
    said = siappakai("service", "upgrade", "--yes", "--json")

    assert said.exit_code == 5
    assert "systemd" in said.error["what"]


@pytest.mark.usefixtures("root")
def test_nobody_is_asked_without_a_terminal(siappakai: Call):
    for verb in ("upgrade", "uninstall"):
        assert siappakai("service", verb).exit_code == 5


@pytest.mark.usefixtures("root")
def test_data_goes_only_with_the_number_of_villages(siappakai: Call, tmp_path: Path):
    without = siappakai("service", "uninstall", "--purge", "--yes", "--json")
    wrong = siappakai("service", "uninstall", "--purge", "--yes", "--count", "7", "--json")

    assert (without.error["field"], wrong.error["field"]) == ("count", "count")
    assert (tmp_path / "state").is_dir()


@pytest.mark.usefixtures("root")
def test_an_installation_is_rehearsed(siappakai: Call, tmp_path: Path):
    told = siappakai("service", "install", "--dry-run", "--json").json

    assert (told["is_started"], told["changed"], told["password"]) == (False, [], "")
    assert any(f"{tmp_path}/opt/programs/{told['program']}" in step for step in told["planned"])
    assert not (tmp_path / "opt").exists()
    assert not (tmp_path / "etc").exists()


@pytest.mark.usefixtures("root")
def test_a_removal_is_rehearsed_without_being_asked(siappakai: Call, tmp_path: Path):
    program = tmp_path / "opt" / "programs" / "one" / "bin" / "siappakai"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho '{\"total\": 3}'\n")
    program.chmod(0o755)
    (tmp_path / "opt" / "current").symlink_to(program.parents[1])
    wrong = siappakai("service", "uninstall", "--purge", "--count", "7", "--dry-run", "--json")
    told = siappakai("service", "uninstall", "--purge", "--dry-run", "--json").json

    assert wrong.error["field"] == "count"
    assert (told["removed"], told["is_purged"]) == ([], False)
    for gone in ("opt/programs", "opt/current", "state"):
        assert f"Hapus {tmp_path / gone}." in told["planned"]
        assert (tmp_path / gone).exists()


def test_the_first_admin_is_made_once(siappakai: Call):
    first = siappakai("user", "first", "--json").json
    again = siappakai("user", "first", "--json").json

    assert first["username"] == "admin"
    assert len(first["password"]) > 10
    assert (again["username"], again["password"]) == ("", "")
    assert db.session.query(User).count() == 1
