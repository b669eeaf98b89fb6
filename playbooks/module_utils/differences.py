"""What would change: the rows and files that are there now beside those that would come back."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import sandbox, tree
from .content_sums import DumpSums
from .outcome import EXPECTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .account import Account
    from .sandbox import Access

_MOST_TABLES = 400


@dataclass
class Difference:
    """What a restore would change.

    `tables` names each table that is not the same, with its rows now and then (None: there is no
    such table); `same` counts the others. `blocks` says what forbids the restore.
    """

    tables: list[dict[str, Any]] = field(default_factory=list)
    same: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    left_out: int = 0
    examples: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def compare(self, now: Mapping[str, Any], then: Mapping[str, Any]) -> None:
        """Take the sums of all tables, as they are and as they would be."""
        for name in sorted({*now, *then}):
            if now.get(name) == then.get(name):
                self.same += 1
            elif len(self.tables) < _MOST_TABLES:
                rows = {"now": _rows(now, name), "then": _rows(then, name)}
                self.tables.append({"table": name, **rows})
        self.rows = {"now": _total(now), "then": _total(then)}


def sums_of(access: Access, account: Account) -> dict[str, Any]:
    """Return rows and content of each table, as the database's own user sees them.

    Nothing of a database that cannot be read: that may be why it is to be restored.
    """
    sums = DumpSums()
    try:
        with sandbox.dump(access, account) as dump:
            for _ in sums.read(dump):
                continue
    except EXPECTED:
        return {}
    return dict(sums.tables())


def files_below(folder: Path, names: Iterable[str]) -> dict[str, int]:
    """Count files and bytes in folders of a site, following no link."""
    count = size = 0
    for name in names:
        if not tree.exists(str(folder), name) or folder.joinpath(name).is_symlink():
            continue
        for _, _, files, descriptor in os.fwalk(folder / name):
            for file in files:
                found = os.stat(file, dir_fd=descriptor, follow_symlinks=False)
                count, size = count + 1, size + found.st_size
    return {"count": count, "bytes": size}


def _rows(sums: Mapping[str, Any], name: str) -> int | None:
    return int(sums[name]["rows"]) if name in sums else None


def _total(sums: Mapping[str, Any]) -> int:
    return sum(int(one["rows"]) for one in sums.values())
