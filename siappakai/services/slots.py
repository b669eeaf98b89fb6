"""The places in the gabungan: given once, in order, and never to another village."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import func, select

from siappakai.errors import RefusedError
from siappakai.models import Gabungan, Member, db
from siappakai.wording import say

# Above these lie the rows that the regency's own programs write (module_utils/gabungan.py).
_LAST: Final = 500


def are_left(gabungan: Gabungan, count: int) -> bool:
    """Tell whether so many places are left that nobody has had."""
    return gabungan.next_slot + count <= _LAST


def take(gabungan: Gabungan, count: int) -> int:
    """Set places aside that nobody has had; raises RefusedError when none are left."""
    first = gabungan.next_slot
    if not are_left(gabungan, count):
        raise RefusedError(
            say("Tempat di gabungan sudah habis."), say("Hubungi pengembang SiapPakai.")
        )
    gabungan.next_slot = first + count
    return first


def settle(gabungan: Gabungan, member: Member, said: Mapping[str, Any]) -> None:
    """Take over what the gabungan says of a village's place: a recovered registry is older.

    `said` holds its `place` there, if it has one, and from where on places are `free`.
    """
    gabungan.next_slot = max(gabungan.next_slot, min(int(said["free"]["slot"]), _LAST))
    first = int(said["free"]["config_id"])
    place = said.get("place")
    if place is None:
        _move(member, _next_number(first), take(gabungan, member.slots))
        return
    number, slot, count = (int(place[name]) for name in ("config_id", "slot", "slots"))
    if number < 1 or count < 1 or not 0 <= slot <= _LAST - count:
        return
    for other in db.session.scalars(select(Member).where(Member.id != member.id)).all():
        # It got this place from an older registry, and was never merged there.
        if other.id == number or slot - other.slots < other.slot < slot + count:
            _move(other, _next_number(first), take(gabungan, other.slots))
    member.slots = count
    _move(member, number, slot)


def _move(member: Member, number: int, slot: int) -> None:
    member.id, member.slot = number, slot
    db.session.flush()


def _next_number(least: int) -> int:
    return max(least, (db.session.scalar(select(func.max(Member.id))) or 0) + 1)
