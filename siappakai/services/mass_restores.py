"""Many villages that run, brought back at once: each from its newest backup in a store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from siappakai.domain.restores import SITE
from siappakai.errors import InvalidInputError, SiapPakaiError
from siappakai.models import Run, Site
from siappakai.services import restorations, restores
from siappakai.wording import say


@dataclass(slots=True)
class Turn:
    """A few sites of one server: what is asked for them, and why not for others, by site id."""

    sites: list[Site]
    runs: list[Run] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)


def restore_newest(
    sites: Sequence[Site], *, identity: str, confirmed_count: int, by: str
) -> Iterator[Turn]:
    """Open the newest backup of each site and ask for it to take the place of what runs.

    A turn is opened when the one before was taken up by whoever iterates: the number of opened
    backups on this machine is theirs to bound. A site of which that fails stops no other.
    `identity` is the recovery key. Raises InvalidInputError for a wrong number of sites, or for
    what is no key (field `key`).
    """
    if confirmed_count != len(sites):
        raise InvalidInputError(
            say(
                "Yang akan dipulihkan %(count)s desa, bukan %(confirmed_count)s.",
                count=len(sites),
                confirmed_count=confirmed_count,
            ),
            say("Ketik jumlah desa yang benar."),
            field="confirmed_count",
        )
    restores.key_in(identity)
    return (_ask(turn, identity, by) for turn in _turns(sites))


def _turns(sites: Sequence[Site]) -> Iterator[Turn]:
    groups: dict[int, list[Site]] = defaultdict(list)
    for site in sites:
        groups[site.server_id].append(site)
    for group in groups.values():
        for start in range(0, len(group), restorations.AT_ONCE):
            yield Turn(group[start : start + restorations.AT_ONCE])


def _ask(turn: Turn, identity: str, by: str) -> Turn:
    ready = []
    for site in turn.sites:
        try:
            restorations.require_replaceable(site)
            restores.open_backup(restores.newest_of(site.village), identity=identity, by=by)
        except SiapPakaiError as problem:
            turn.problems[site.id] = problem.told
        else:
            ready.append(site)
    if ready:
        turn.runs = restorations.request_many(ready, scope=SITE, only_look=False, by=by)
    return turn
