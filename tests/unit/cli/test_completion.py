"""What the shell is told while somebody types; commands are loaded only when they are used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from siappakai.cli import main


@pytest.mark.parametrize(
    ("typed", "begun", "offered"),
    [
        ([], "vill", {"village"}),
        (["village"], "ad", {"adopt"}),
        (["village", "list"], "--js", {"--json"}),
        (["site", "list", "--state"], "bro", {"broken"}),
    ],
)
def test_what_was_begun_is_completed(typed: list[str], begun: str, offered: set[str]) -> None:
    shell = BashComplete(main, {}, "siappakai", "_SIAPPAKAI_COMPLETE")
    assert {one.value for one in shell.get_completions(typed, begun)} >= offered
    assert all(one.value.startswith(begun) for one in shell.get_completions(typed, begun))


@pytest.mark.patient
def test_the_program_itself_tells_the_shell() -> None:
    program = Path(sys.executable).with_name("siappakai")
    environment = {**os.environ, "_SIAPPAKAI_COMPLETE": "bash_source"}
    said = subprocess.run([program], env=environment, check=True, capture_output=True, text=True)
    assert "_SIAPPAKAI_COMPLETE=bash_complete" in said.stdout
