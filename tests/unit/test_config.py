"""Where settings come from."""

from pathlib import Path

import pytest

from siappakai.config import Settings


def test_a_file_of_the_folder_one_stands_in_sets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / ".env").write_text("SIAPPAKAI_PORT=9999\n")
    monkeypatch.chdir(tmp_path)

    assert Settings().port == 8080


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "siappakai.toml"
    file.write_text('port = 8081\nlanguage = "en"\n')
    monkeypatch.setenv("SIAPPAKAI_CONFIG", str(file))
    monkeypatch.setenv("SIAPPAKAI_PORT", "8082")

    assert (Settings().port, Settings().language) == (8082, "en")
