"""Training copies: a village's backup as the site of another, which is nobody's, to learn on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import select

from siappakai.domain.codes import dotted, parse_village_code
from siappakai.errors import ConflictError, SiapPakaiError
from siappakai.models import Backup, OfficialVillage, Run, Server, Village, db
from siappakai.models.transactions import transaction
from siappakai.services import adoptions, audit, incoming, restores, villages
from siappakai.services.adoptions import Wish
from siappakai.wording import say

_NUMBERS = range(999, 0, -1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a copy shall live, and under what code and name; an empty name says whose it is."""

    code: str
    name: str
    server: Server | None
    domain: str


class _RehearsedError(Exception):
    """Takes back what was only tried."""


def request(backup: Backup, place: Place, *, identity: str, by: str) -> Run:
    """Make a training copy of a village: its backup, installed as the site of another village.

    That village is registered as a copy when it is not yet. The copy gets an identity and secrets
    of its own, and nothing in it reaches anybody. Raises InvalidInputError naming the field,
    ConflictError for a code that is another village's, and the errors of a restore.
    """
    restores.key_in(identity)
    # What cannot be planned is told before anything is decrypted, and nothing is left of it.
    with suppress(_RehearsedError), transaction():
        adoptions.planned_for(_trainee(backup, place, by), _wish(backup, place), by=by)
        raise _RehearsedError
    code = parse_village_code(place.code).plain
    restores.open_backup(backup, identity=identity, code=code, by=by)
    try:
        with transaction():
            village = _trainee(backup, place, by)
            audit.record("backup.train", code, by=by, detail={"backup": backup.name})
            return adoptions.request(village, _wish(backup, place), only_look=False, by=by)
    except SiapPakaiError:
        incoming.forget(code)
        raise


def free_code(village: Village) -> str:
    """Return a code near a village's that neither the registry nor the official list has."""
    family = village.code[:7]
    taken = {
        code
        for model in (Village, OfficialVillage)
        for code in db.session.scalars(select(model.code).where(model.code.startswith(family)))
    }
    free = (f"{family}{number:03}" for number in _NUMBERS)
    return dotted(next((code for code in free if code not in taken), village.code))


def _wish(backup: Backup, place: Place) -> Wish:
    release = restores.release_of(backup)
    return Wish(server=place.server, domain=place.domain, release=release)


def _trainee(backup: Backup, place: Place, by: str) -> Village:
    """Return the village that stands for the copy, registered when it is not yet."""
    source = backup.site.village
    code = parse_village_code(place.code)
    known = villages.find_village(code.plain)
    if known is None:
        name = place.name.strip() or f"Latihan {source.name}"
        return villages.register_village(code=code.plain, name=name, copy_of=source.code, by=by)
    if known.copy_of != source.code:
        raise ConflictError(
            say(
                "%(dotted)s adalah %(name)s, bukan salinan latihan %(source)s.",
                dotted=code.dotted,
                name=known.name,
                source=source.name,
            ),
            say("Pakai kode yang belum terdaftar."),
        )
    return known
