"""Writes the reference part of docs/cli.md from the commands themselves.

`python -m siappakai.cli.reference docs/cli.md` renews it; a test fails while it is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import click

from siappakai.cli import main
from siappakai.cli.command import Command
from siappakai.cli.output import Ended, Listing, columns

MARK = "<!-- Below this line: python -m siappakai.cli.reference docs/cli.md -->"


@dataclass(frozen=True, slots=True)
class Entry:
    """A command as a person types it (`village list`)."""

    path: str
    command: Command

    @property
    def result(self) -> Any:
        """What it returns: a record class, or a Listing of one."""
        hint = get_type_hints(self.command.callback)["return"]
        return get_args(hint)[0] if get_origin(hint) is Ended else hint


def entries() -> list[Entry]:
    """Return every command of the program, in the order of its help."""
    return list(_walk("", main))


def _walk(path: str, command: click.Command) -> Iterator[Entry]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            part = command.get_command(context, name)
            if part is not None:
                yield from _walk(f"{path} {name}".strip(), part)
    elif isinstance(command, Command):
        yield Entry(path, command)


def reference() -> str:
    """Return the reference part as Markdown."""
    found = entries()
    parts = ["## Commands", *(_command(entry) for entry in found)]
    parts += ["## Records", *(_record(kind) for kind in _records(found))]
    return "\n\n".join(parts) + "\n"


def renewed(text: str) -> str:
    """Return a documentation page with what follows its mark replaced by the reference."""
    return text.partition(MARK)[0] + f"{MARK}\n\n{reference()}"


def _command(entry: Entry) -> str:
    context = click.Context(entry.command, info_name=f"siappakai {entry.path}")
    usage = " ".join(entry.command.collect_usage_pieces(context))
    options = "\n".join(_options(entry.command, context))
    return (
        f"### siappakai {entry.path}\n\n{_paragraphs(entry.command.help)}\n\n"
        f"    siappakai {entry.path} {usage}\n\n{options}\n\n"
        f"Prints {_type(entry.result)}. Example: `{entry.command.example}`"
    )


def _paragraphs(text: str | None) -> str:
    blocks = (text or "").split("\n\n")
    return "\n\n".join(" ".join(block.split()) for block in blocks)


def _options(command: Command, context: click.Context) -> Iterator[str]:
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None:
            yield f"- `{record[0]}`: {' '.join(record[1].split())}"


def _records(found: list[Entry]) -> list[type]:
    """Return the record classes the commands print and those inside them, by name."""
    kinds: set[type] = set()
    for entry in found:
        _collect(entry.result, kinds)
    return sorted(kinds, key=lambda kind: kind.__name__)


def _collect(hint: Any, kinds: set[type]) -> None:
    for inner in get_args(hint):
        _collect(inner, kinds)
    if isinstance(hint, type) and is_dataclass(hint) and hint not in kinds | {Listing}:
        kinds.add(hint)
        for inner in get_type_hints(hint).values():
            _collect(inner, kinds)


def _record(kind: type) -> str:
    hints = get_type_hints(kind)
    lines = [
        f"| `{name}` | {_type(hints[name])} | {column.meaning} |"
        for name, column in columns(kind).items()
    ]
    about = _paragraphs(kind.__doc__)
    table = "\n".join(("| key | type | meaning |", "|---|---|---|", *lines))
    return f"### {kind.__name__}\n\n{about}\n\n{table}"


def _type(hint: Any) -> str:
    arguments = get_args(hint)
    if get_origin(hint) in {Union, UnionType}:
        return " or ".join(_type(inner) for inner in arguments)
    if get_origin(hint) is Listing:
        return f"a listing of {_type(arguments[0])}"
    if get_origin(hint) is list:
        return f"list of {_type(arguments[0])}"
    if get_origin(hint) is dict:
        return "object"
    if isinstance(hint, type) and is_dataclass(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    names = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}
    return "time" if hint is datetime else names[hint]


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text()))
