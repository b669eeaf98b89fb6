"""What commands give back: records with stable keys, shown as tables or as JSON.

A command returns a record (a dataclass whose fields carry a `Column`), a `Listing` of them, or
an `Ended` around either. Its return annotation is its documented schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, get_type_hints

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from siappakai.services.paging import Page

T = TypeVar("T")
R = TypeVar("R")

_TONES = {
    **dict.fromkeys(("succeeded", "active", "ready", "ok"), "green"),
    **dict.fromkeys(("failed", "broken", "lost", "error"), "red"),
    **dict.fromkeys(("running", "installing", "warning"), "yellow"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """How a field of a record is headed for people, and what it means in the documentation.

    `is_listed`: it has a column of its own in tables; otherwise only `show` tells it.
    """

    heading: str
    meaning: str
    is_listed: bool = True


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """One page of records. `page` counts from 1; `total` counts the records of all pages."""

    items: list[T]
    total: int
    page: int = 1
    pages: int = 1

    @classmethod
    def of(cls, items: Iterable[T]) -> Listing[T]:
        """Return a listing that holds everything."""
        whole = list(items)
        return cls(whole, len(whole))


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """A result that is shown as any other, and the exit code the command ends with."""

    value: T
    exit_code: int


def listing(page: Page[R], record: Callable[[R], T]) -> Listing[T]:
    """Return a page of the registry as a listing of records."""
    return Listing([record(item) for item in page.items], page.total, page.page, page.pages)


class Prose:
    """A record that people read as plain text rather than as a table."""

    __slots__ = ()

    def text(self) -> str:
        """Return what is printed without `--json`."""
        raise AssertionError(f"{type(self).__name__} says nothing")


def columns(kind: Any) -> dict[str, Column]:
    """Return the columns of a record class by field name, in order."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in fields(kind)}


def emit(value: Any, *, as_json: bool) -> None:
    """Print a command's result on standard output."""
    if value is None:
        return
    if as_json:
        click.echo(json.dumps(asdict(value), ensure_ascii=False, indent=2, default=_jsonable))
        return
    if isinstance(value, Prose):
        click.echo(value.text())
        return
    console = Console(highlight=False, markup=False)
    _show_parts(console, value)


def note(text: str) -> None:
    """Tell a person something that is not part of the result."""
    click.echo(text, err=True)


def plain(value: Any) -> str:
    """Return a value as people read it; times in this machine's zone."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "ya" if value else "tidak"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list):
        return ", ".join(plain(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={plain(item)}" for key, item in value.items())
    return str(value)


def toned(text: str) -> Text:
    """Return a text in the colour of the state it names, if it names one."""
    return Text(text, style=_TONES.get(text, ""))


def _jsonable(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"not JSON: {value!r}")


def _is_part(value: Any) -> bool:
    """Tell whether a field's value is shown by itself, below the plain ones."""
    return is_dataclass(value) or (isinstance(value, list) and any(map(is_dataclass, value)))


def _show_parts(console: Console, value: Any) -> None:
    if isinstance(value, Listing):
        _show_items(console, value.items)
        if value.pages > 1:
            note(f"Halaman {value.page} dari {value.pages}, seluruhnya {value.total}: --page N.")
    elif isinstance(value, list):
        _show_items(console, value)
    else:
        _show_record(console, value)


def _show_record(console: Console, record: Any) -> None:
    shown = columns(type(record))
    values = {name: getattr(record, name) for name in shown}
    rows = [(shown[name].heading, plain(v)) for name, v in values.items() if not _is_part(v)]
    if console.is_terminal:
        grid = Table.grid(padding=(0, 2))
        grid.add_column()
        grid.add_column(overflow="fold")
        for heading, text in rows:
            grid.add_row(Text(heading, style="dim"), toned(text))
        console.print(grid)
    else:
        for heading, text in rows:
            click.echo(f"{heading}\t{_one_line(text)}")
    for value in filter(_is_part, values.values()):
        _show_parts(console, value)


def _listed(items: list[Any]) -> dict[str, Column]:
    return {name: column for name, column in columns(type(items[0])).items() if column.is_listed}


def _show_items(console: Console, items: list[Any]) -> None:
    if not items:
        note("Tidak ada.")
    elif console.is_terminal:
        _show_table(console, items)
    else:
        _show_lines(items)


def _show_table(console: Console, items: list[Any]) -> None:
    shown = _listed(items)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in shown.values():
        table.add_column(column.heading, overflow="fold")
    for item in items:
        table.add_row(*(toned(plain(getattr(item, name))) for name in shown))
    console.print(table)


def _show_lines(items: list[Any]) -> None:
    """Print tab-separated lines under their headings, for other programs to cut."""
    shown = _listed(items)
    click.echo("\t".join(column.heading for column in shown.values()))
    for item in items:
        click.echo("\t".join(_one_line(plain(getattr(item, name))) for name in shown))


def _one_line(text: str) -> str:
    return " ".join(text.split())
