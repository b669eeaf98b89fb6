"""Asking a person: consent, counts and secrets. Never a secret from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from siappakai.cli.context import is_rehearsal
from siappakai.errors import InvalidInputError, RefusedError

F = TypeVar("F", bound=Callable[..., Any])


def yes_option(function: F) -> F:
    """Add `--yes`, which answers the question of `agree`."""
    return click.option("--yes", is_flag=True, help="Do not ask for confirmation.")(function)


def password_stdin_option(function: F) -> F:
    """Add `--password-stdin`, for `password`."""
    return click.option(
        "--password-stdin", is_flag=True, help="Read the password from standard input, one line."
    )(function)


def is_interactive() -> bool:
    """Tell whether a person sits at the terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agree(question: str, *, yes: bool) -> None:
    """Go on only with consent: `--yes`, or a person's answer. A rehearsal needs none.

    Raises RefusedError without a terminal, click.Abort when the answer is no.
    """
    if yes or is_rehearsal():
        return
    if not is_interactive():
        raise RefusedError("Perintah ini menunggu persetujuan.", "Tambahkan --yes.")
    click.confirm(question, abort=True, err=True)


def typed_count(question: str, given: int | None, expected: int) -> int:
    """Return the number a person typed, or gave as `--count`; raises InvalidInputError.

    A rehearsal takes `expected` for typed.
    """
    if given is not None:
        return given
    if is_rehearsal():
        return expected
    if not is_interactive():
        raise InvalidInputError(
            "Jumlahnya belum disebutkan.", "Tambahkan --count N.", field="count"
        )
    count: int = click.prompt(question, type=int, err=True)
    return count


def password(prompt: str, *, from_stdin: bool) -> str:
    """Return a password from standard input or the terminal; raises InvalidInputError."""
    return _given(prompt, from_stdin=from_stdin, what="Kata sandi", field="password")


def address_stdin_option(function: F) -> F:
    """Add `--address-stdin`, for `address`."""
    return click.option(
        "--address-stdin", is_flag=True, help="Read the address from standard input, one line."
    )(function)


def address(prompt: str, *, from_stdin: bool) -> str:
    """Return an address that holds tokens, as `password` does; raises InvalidInputError."""
    return _given(prompt, from_stdin=from_stdin, what="Alamat", field="address")


def _given(prompt: str, *, from_stdin: bool, what: str, field: str) -> str:
    text = _hidden(prompt, from_stdin=from_stdin)
    if not text:
        raise InvalidInputError(
            f"{what} tidak diberikan.",
            f"Kirim lewat masukan standar dengan --{field}-stdin.",
            field=field,
        )
    return text


def _hidden(prompt: str, *, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if is_interactive():
        text: str = click.prompt(prompt, hide_input=True, err=True)
        return text
    return ""
