"""`doctor` and `registry upgrade`."""

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Call


def test_doctor_says_what_to_mend(siappakai: Call):
    said = siappakai("doctor", "--json")
    assert said.exit_code == 1
    checks = {item["name"]: item for item in said.json["items"]}
    assert checks["registry"]["ok"]
    assert not checks["queue"]["ok"]
    assert "Redis" in checks["queue"]["todo"]
    assert siappakai("doctor").lines[0][0] == said.json["items"][0]["name"]


def test_a_new_registry_is_upgraded(
    siappakai: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SIAPPAKAI_DATABASE_URL", f"sqlite:///{tmp_path}/new.sqlite3")
    names = {item["name"]: item["ok"] for item in siappakai("doctor", "--json").json["items"]}
    assert names["registry"] is False
    assert "clock" not in names
    first = siappakai("registry", "upgrade", "--json").json
    assert first["before"] == ""
    assert siappakai("registry", "upgrade", "--json").json["before"] == first["revision"]
    assert siappakai("village", "list", "--json").json["total"] == 0
