"""`siappakai kit`, `registry list` and `recover` as far as they need no store."""

from pathlib import Path

import pytest
from flask import Flask

from siappakai.config import Settings
from siappakai.credentials import open_text
from siappakai.domain.recovery_kit import Kit
from tests.unit.cli.conftest import Call
from tests.unit.services.test_backups import make_store


def test_a_kit_is_printed_and_confirmed_by_its_number(siappakai: Call):
    assert siappakai("kit", "status", "--json").json["state"] == "impossible"
    assert siappakai("kit", "make", "--json").error["todo"].startswith("Buat kunci")
    key = siappakai("backup", "make-key", "--json").json["private"]
    make_store()
    printed = siappakai("kit", "make").out
    assert "siappakai recover --kit" in printed
    kit = Kit.read(open_text(printed, key))
    assert siappakai("kit", "confirm", "AAAA-AAAA", "--json").error["field"] == "number"
    assert siappakai("kit", "status", "--json").json["state"] == "unconfirmed"
    assert siappakai("kit", "confirm", kit.number, "--json").json["state"] == "confirmed"
    assert siappakai("registry", "list", "--json").json["items"] == []


def test_recover_says_what_it_was_not_given_and_leaves_the_registry(
    siappakai: Call, registry: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    chosen: Settings = registry.extensions["siappakai.settings"]
    monkeypatch.setenv("SIAPPAKAI_STATE", str(chosen.state))
    monkeypatch.setenv("SIAPPAKAI_DATABASE_URL", chosen.database_url)
    key = siappakai("backup", "make-key", "--json").json["private"]
    make_store()
    kit, word = tmp_path / "kit.txt", tmp_path / "key.txt"
    kit.write_text("bukan kit")
    word.write_text(key)
    given = ("recover", "--kit", str(kit), "--json")
    assert siappakai(*given).error["field"] == "key"
    assert siappakai(*given, "--key-file", str(word)).error["field"] == "kit"
    kit.write_text(siappakai("kit", "make").out)
    refused = siappakai(*given, "--key-file", str(word))
    assert (refused.exit_code, "--replace" in refused.error["todo"]) == (4, True)
    assert siappakai("kit", "status", "--json").json["state"] == "unconfirmed"
