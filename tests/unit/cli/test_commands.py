"""What holds for every command: help, an example that works, JSON, documentation."""

import shlex
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_origin

import click
import pytest
from click.testing import CliRunner

from siappakai.cli import main
from siappakai.cli.output import Listing, columns, emit
from siappakai.cli.reference import Entry, entries, renewed
from siappakai.cli.service import UpgradedRecord

DOCS = Path(__file__).parents[3] / "docs" / "cli.md"

every_command = pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.path)


def test_every_noun_has_commands():
    nouns = {entry.path.split()[0] for entry in entries()}
    assert nouns == set(main.list_commands(click.Context(main)))


@every_command
def test_help_says_what_it_does_and_gives_an_example(entry: Entry):
    shown = CliRunner().invoke(main, [*entry.path.split(), "--help"])
    assert shown.exit_code == 0
    assert entry.command.help
    assert entry.command.get_short_help_str()
    assert f"Example:\n  {entry.command.example}\n" in shown.output


@every_command
def test_the_example_can_be_typed(entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(entry.command.example)
    path = entry.path.split()
    assert [program, *words[: len(path)]] == ["siappakai", *path]
    for word in words:
        if Path(word).suffix in {".csv", ".gz", ".txt", ".xlsx", ".zip"}:
            Path(word).touch()
    with entry.command.make_context(entry.path, words[len(path) :]) as context:
        assert not context.args


def test_every_command_speaks_json_and_every_option_says_what_it_is_for():
    for entry in entries():
        context = click.Context(entry.command)
        options = [one for one in entry.command.params if isinstance(one, click.Option)]
        assert all((one.get_help_record(context) or ("", ""))[1] for one in options), entry.path
        assert "--json" in {word for one in options for word in one.opts}, entry.path


def test_no_option_takes_a_secret():
    # Switches, and what names a file that holds one, or standard input.
    flags = {"new_secret", "password_stdin", "key_installed", "secret_file"}
    for entry in entries():
        for parameter in entry.command.params:
            if {"password", "secret", "token"} & set((parameter.name or "").split("_")):
                assert parameter.name in flags, entry.path


def test_every_result_is_a_documented_record():
    for entry in entries():
        result = entry.result
        record = get_args(result)[0] if get_origin(result) is Listing else result
        assert is_dataclass(record), entry.path
        assert record.__doc__
        assert [field.name for field in fields(record)] == list(columns(record))


def test_the_page_names_every_command():
    text = DOCS.read_text()
    assert [one.path for one in entries() if f"### siappakai {one.path}\n" not in text] == []


def test_the_page_is_as_the_commands_are():
    text = DOCS.read_text()
    assert renewed(text) == text, "run: python -m siappakai.cli.reference docs/cli.md"


def test_no_end_of_a_long_path_is_cut_off(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    emit(UpgradedRecord("one", "two", f"/var/backups/{'x' * 60}/end", []), as_json=False)

    assert "…" not in capsys.readouterr().out
