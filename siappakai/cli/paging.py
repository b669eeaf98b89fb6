"""Options of commands that list more than a screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from siappakai.services.paging import MAX_PER_PAGE

F = TypeVar("F", bound=Callable[..., Any])


def page_options(*, per_page: int) -> Callable[[F], F]:
    """Add `--page` and `--per-page`, which shows `per_page` records unless told otherwise."""

    def add(function: F) -> F:
        size = click.option(
            "--per-page",
            type=click.IntRange(1, MAX_PER_PAGE),
            default=per_page,
            show_default=True,
            help="How many to show.",
        )
        number = click.option(
            "--page", type=click.IntRange(1), default=1, help="Which page, from 1."
        )
        return number(size(function))

    return add
