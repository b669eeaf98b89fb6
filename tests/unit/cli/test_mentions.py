"""Every command that a message or a document tells people to type exists."""

import re
from pathlib import Path

import click
import pytest

from siappakai.cli import main

ROOT = Path(__file__).parents[3]
PLACES = [
    *sorted((ROOT / "siappakai").rglob("*.py")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "README.md",
]
# What comes after the name is a word of the command tree, or is not one and says nothing.
MENTION = re.compile(r"(?<![\w./-])siappakai((?: [a-z][a-z-]*)+)")
# `from siappakai import …` names no command.
PROSE = {"import"}


def _unknown(words: list[str]) -> str:
    """Return the first word that is no command; empty when the path ends in a command."""
    here: click.Command = main
    for word in words:
        if not isinstance(here, click.Group):
            return ""
        part = here.get_command(click.Context(here), word)
        if part is None:
            return word
        here = part
    return ""


def _mentions(text: str) -> list[list[str]]:
    # Strings are broken over lines of source; a message is read as one.
    joined = re.sub(r'"\s*\n\s*f?"', "", text)
    found = [mention.split() for mention in MENTION.findall(joined)]
    return [words for words in found if words[0] not in PROSE]


@pytest.mark.parametrize("path", PLACES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_mentioned_exists(path: Path):
    unknown = [words for words in _mentions(path.read_text()) if _unknown(words)]

    assert unknown == []


def test_an_unknown_command_is_noticed():
    text = '"Jalankan: siappakai release "\n    f"seen {version}", `siappakai release pin v1`'

    assert [_unknown(words) for words in _mentions(text)] == ["seen", ""]
