"""The journal of a site that has two states: what is being done with them, and what served before.

It is all that tells whoever finds a switch cut off which way to go. So it is written to survive a
loss of power, and one that cannot be read is nobody's licence to go either way.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import tree
from .outcome import Refusal

if TYPE_CHECKING:
    from .variables import SiteVars

OLD, NEW = "old", "new"
FOLDER = "aside"
# PREPARING: nothing of what serves was touched. SWITCHING: places are being changed. CHECKING: the
# other state serves people, and is looked at. RESTING: it is over. FORGETTING: what is aside is
# being dropped.
PREPARING, SWITCHING, CHECKING = "preparing", "switching", "checking"
RESTING, FORGETTING = "resting", "forgetting"
_PHASES = frozenset({PREPARING, SWITCHING, CHECKING, RESTING, FORGETTING})
_FILE = f"{FOLDER}/journal.json"
_MOST = 16 << 20


@dataclass
class Journal:
    """What is known of the two states of a site.

    `run` is the run that switched last, `scope` what was restored, `serving` the state that
    served when everything was at rest. `paths` are the folders that are switched, by slot,
    `table` the one table that is, if it is not all of them (`has_tables`); see one_table.py.
    `has` tells of each state which of them it holds. `until` is when what is aside may go.
    """

    run: int
    backup: str
    scope: str
    release: str
    until: str
    serving: str = OLD
    phase: str = PREPARING
    has_tables: bool = False
    table: str = ""
    is_first: bool = True
    paths: dict[str, str] = field(default_factory=dict)
    has: dict[str, list[str]] = field(default_factory=lambda: {OLD: [], NEW: []})
    programs: dict[str, list[dict[str, str]]] = field(default_factory=lambda: {OLD: [], NEW: []})
    not_made: list[str] = field(default_factory=list)


def other(side: str) -> str:
    """Return the state that is not this one."""
    return NEW if side == OLD else OLD


def read(folder: str) -> Journal | None:
    """Return the journal of a site; None for one that has nothing aside.

    Raises Refusal `journal_damaged` for one that is lost or says nothing that can be followed.
    """
    text = tree.read_file(folder, _FILE, limit=_MOST)
    if text is None:
        if any(_is_kept(folder, side) for side in (OLD, NEW)):
            raise _damaged(folder)
        return None
    try:
        journal = Journal(**json.loads(text))
    except (ValueError, TypeError) as problem:
        raise _damaged(folder) from problem
    if journal.phase not in _PHASES or journal.serving not in {OLD, NEW}:
        raise _damaged(folder)
    return journal


def write(folder: str, journal: Journal) -> None:
    """Write the journal, whole or not at all; it is on the disk afterwards."""
    text = json.dumps(asdict(journal), indent=1).encode()
    entries = [
        tree.Entry(FOLDER, 0o700, is_durable=True),
        tree.Entry(_FILE, 0o600, content=text, is_durable=True),
    ]
    tree.apply(folder, entries)


def told(folder: str) -> dict[str, Any]:
    """Return what the panel is told of a state that is aside, at rest; else nothing.

    Raises as `read` does.
    """
    journal = read(folder)
    if journal is None or journal.phase != RESTING:
        return {}
    known = ("run", "backup", "scope", "serving", "until")
    return {name: getattr(journal, name) for name in known}


def require_rest(site: SiteVars) -> None:
    """Raise Refusal `site_cut_off` for a site whose states were left half switched.

    Raises as `read` does, too.
    """
    journal = read(site["folder"])
    if journal is not None and journal.phase != RESTING:
        raise Refusal(
            "site_cut_off",
            f"A restore of {site['slug']} was cut off and is not settled yet. Nothing was changed."
            " Check the site's health, which settles it, then try again.",
            slug=site["slug"],
        )


def _is_kept(folder: str, side: str) -> bool:
    """Tell whether something of a state lies aside."""
    place = Path(folder, FOLDER, side)
    return place.is_dir() and any(place.iterdir())


def _damaged(folder: str) -> Refusal:
    return Refusal(
        "journal_damaged",
        f"What {folder}/{_FILE} said of the restore of this site cannot be read, so nobody can tell"
        " which of its two states is the right one. Nothing was changed. Look at what the site"
        " serves and at what lies aside, as the handbook tells, then move the folder aside away.",
        folder=f"{folder}/{FOLDER}",
    )
