"""Deciding what is shared; what is shared no more leaves the gabungan at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import select

from siappakai.domain.consent import GROUPS, Share, narrowed
from siappakai.models import Consent, Gabungan, Member, Run, Site, Village, db
from siappakai.models.transactions import transaction
from siappakai.services import consents, merges, runs

_EVERYTHING: Final = dict.fromkeys(GROUPS, str(Share.FULL))


def decide(
    *,
    village: Village | None,
    changes: Sequence[str],
    all_as: str | None = None,
    document: str,
    by: str,
) -> tuple[Consent, list[Run]]:
    """Write down what is shared, and ask for what it takes to keep to that.

    What villages have in the gabungan and share no more is deleted there by a run of its own,
    though merging be paused; they are merged again by another, unless it is. Raises the errors of
    consents.decide.
    """
    with transaction() as session:
        consent = consents.decide(
            village=village, changes=changes, all_as=all_as, document=document, by=by
        )
        gabungan = session.scalar(select(Gabungan).limit(1))
        known = consents.newest()
        too_much = [one for one in merges.list_members() if too_much_of(one, known)]
        return consent, _narrow(gabungan, too_much, by=by)


def narrow_again(gabungan: Gabungan, member: Member) -> list[Run]:
    """Delete what was withdrawn while a village was being merged, if anything was."""
    return _narrow(gabungan, [member] if too_much_of(member) else [], by="siappakai")


def _narrow(gabungan: Gabungan | None, too_much: Sequence[Member], *, by: str) -> list[Run]:
    if gabungan is None or not too_much:
        return []
    with transaction():
        # What they share is looked up when the run begins: then the newest decision counts.
        options = {"codes": [one.village.code for one in too_much]}
        asked = [runs.create_server_run(merges.NARROW, gabungan.server, by=by, options=options)]
        ids = _sites_of(too_much)
        if ids and not gabungan.is_paused:
            asked.append(merges.request_merge(site_ids=ids, whole=False, by=by))
        return asked


def too_much_of(member: Member, known: Mapping[int | None, Consent] | None = None) -> list[str]:
    """Return the groups of which the gabungan still holds more than a village shares.

    `known` as for consents.of_village.
    """
    if member.merged_at is None:
        return []
    held = member.report.get("shares", _EVERYTHING)
    return narrowed(held, consents.of_village(member.village, known).shares)


def _sites_of(members: Sequence[Member]) -> list[int]:
    villages = {one.village_id for one in members}
    query = select(Site.id).where(
        Site.id.in_(merges.merge_site_ids()), Site.village_id.in_(villages)
    )
    return list(db.session.scalars(query.order_by(Site.id)))
