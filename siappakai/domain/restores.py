"""What may be restored over a village that runs, and what is known of the state it replaced; pure.

A scope is written `site`, `database`, `files`, `folder:` and a path below the village's folder, or
`table:` and its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from siappakai.errors import InvalidInputError
from siappakai.wording import say

SITE, DATABASE, FILES = "site", "database", "files"
FOLDER, TABLE = "folder", "table"
# A state that was replaced, and the one that came back: which of them serves.
OLD, NEW = "old", "new"
_WHOLE: Final = frozenset({SITE, DATABASE, FILES})
_PATH: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}(?:/[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}){0,9}"
)
_TABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,58}")
# Root's settings, the village's key, and what the application makes anew.
_NOT_ALONE: Final = frozenset({"config", "app_key", "cache"})


def check_scope(text: str) -> str:
    """Return a scope; raises InvalidInputError (field `scope`) for what is none."""
    scope = text.strip()
    kind, _, path = scope.partition(":")
    path = path.strip("/")
    if scope in _WHOLE:
        return scope
    if kind == FOLDER and _PATH.fullmatch(path) and path.split("/")[0] not in _NOT_ALONE:
        return f"{FOLDER}:{path}"
    if kind == TABLE and _TABLE.fullmatch(path):
        return f"{TABLE}:{path}"
    raise InvalidInputError(
        say("“%(scope)s” tidak dapat dipulihkan sendiri.", scope=scope),
        say(
            "Pilih site, database, files, folder:upload/dokumen (di bawah desa/), atau table:nama."
        ),
        field="scope",
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """A state of a site that is kept aside until `until`; `serving` is OLD or NEW.

    `run` switched last, to or from what `scope` of `backup` brought.
    """

    run: int
    backup: str
    scope: str
    serving: str
    until: datetime

    @property
    def is_undone(self) -> bool:
        """Tell whether what had been replaced serves again."""
        return self.serving == OLD

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Kept | None:
        """Read what a server tells of it; None for nothing, or what makes no sense."""
        try:
            until = datetime.fromisoformat(str(told["until"]))
            run, serving = int(told["run"]), str(told["serving"])
        except (KeyError, TypeError, ValueError):
            return None
        if serving not in {OLD, NEW} or until.tzinfo is None:
            return None
        return cls(
            run,
            str(told.get("backup", ""))[:120],
            str(told.get("scope", ""))[:1100],
            serving,
            until,
        )
