"""How commands fail: exit code, message, JSON object."""

from pathlib import Path

import pytest

from siappakai.services import audit
from tests.unit.cli.conftest import Call


def test_bad_input_names_the_field_and_changes_nothing(siappakai: Call):
    said = siappakai("village", "add", "51.02", "--name", "Bajera")
    assert said.exit_code == 2
    assert said.out == ""
    what, todo = said.err.splitlines()
    assert what.endswith("[kode_desa]")
    assert "10 angka" in todo
    assert audit.list_entries().total == 0


def test_an_error_is_an_object_with_json(siappakai: Call):
    said = siappakai("village", "show", "51.02.01.2001", "--json")
    assert said.exit_code == 3
    assert said.out == ""
    assert said.error["kind"] == "not_found"
    assert "51.02.01.2001" in said.error["what"]
    assert said.error["todo"]
    assert said.error["exit_code"] == 3


@pytest.mark.parametrize(
    "words",
    [
        ["village", "list", "--bogus"],
        ["village", "bogus"],
        ["village", "show"],
        ["run", "list", "--state", "bogus"],
    ],
)
def test_bad_usage_is_an_object_with_json(siappakai: Call, words: list[str]):
    said = siappakai(*words, "--json")
    assert said.exit_code == 2
    assert said.error["kind"] == "usage"
    assert said.error["what"]


def test_bad_usage_shows_the_usage(siappakai: Call):
    said = siappakai("village", "list", "--bogus")
    assert said.exit_code == 2
    assert "Usage: " in said.err


def test_a_registry_without_tables_says_what_to_do(
    siappakai: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SIAPPAKAI_DATABASE_URL", f"sqlite:///{tmp_path}/empty.sqlite3")
    said = siappakai("village", "list", "--json")
    assert said.exit_code == 6
    assert "siappakai registry upgrade" in said.error["todo"]


def test_a_registry_that_cannot_be_opened_says_so(
    siappakai: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SIAPPAKAI_DATABASE_URL", f"sqlite:///{tmp_path}/nowhere/x.sqlite3")
    assert siappakai("village", "list").exit_code == 6


def test_a_bad_setting_is_named(siappakai: Call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SIAPPAKAI_LEASE_SECONDS", "soon")
    said = siappakai("village", "list", "--json")
    assert said.exit_code == 2
    assert said.error["field"] == "lease_seconds"
    assert "SIAPPAKAI_LEASE_SECONDS" in said.error["todo"]


def test_a_rehearsal_changes_nothing(siappakai: Call):
    words = ["regency", "set", "51.02", "--name", "Tabanan", "--province", "Bali"]
    rehearsed = siappakai(*words, "--dry-run", "--json")
    assert rehearsed.exit_code == 0
    assert rehearsed.json["code"] == "51.02"
    assert "tidak ada yang diubah" in rehearsed.err
    assert siappakai("regency", "show").exit_code == 3
    assert audit.list_entries().total == 0
    assert siappakai(*words, "--json").json == rehearsed.json
    assert siappakai("regency", "show", "--json").json == rehearsed.json


def test_the_actor_is_the_unix_user(siappakai: Call, tmp_path: Path):
    siappakai("regency", "set", "51.02", "--name", "Tabanan", "--province", "Bali")
    trail = siappakai("audit", "list", "--json").json["items"]
    assert {entry["actor"] for entry in trail} == {f"cli:{tmp_path.owner()}"}
