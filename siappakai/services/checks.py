"""What `siappakai doctor` says of one thing it looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `name` is a stable key; `todo` says what to mend, empty when `ok`."""

    name: str
    ok: bool
    detail: str
    todo: str = ""


def judged(name: str, *, ok: bool, detail: str, todo: str) -> Check:
    """Return a check that says what to mend only when there is something."""
    return Check(name, ok, detail, "" if ok else todo)
