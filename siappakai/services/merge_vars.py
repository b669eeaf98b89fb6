"""What plays are told of the gabungan, by the decisions of the moment they begin."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import select

from siappakai.credentials import load_key_ring
from siappakai.models import Member, Run, Site, Village, db
from siappakai.models.app import current_settings
from siappakai.services import consents, merges, releases


def play_vars(run: Run) -> dict[str, Any]:
    """Return what a playbook is told of the gabungan; nothing for other plays."""
    if run.play not in merges.ON_SERVER | {merges.MERGE}:
        return {}
    gabungan = merges.get_gabungan()
    ring = load_key_ring(current_settings().credentials_file)
    told: dict[str, Any] = {"schema": gabungan.schema, "run_token": run.token, **run.options}
    if run.play == merges.CREATE:
        told["release"] = asdict(releases.release_vars(gabungan.release))
        told["users"] = json.loads(ring.unseal(gabungan.passwords_sealed))
    if run.play == merges.MERGE:
        told["key"] = ring.unseal(gabungan.key_sealed)
        told["places"] = _merged_places(run)
    if run.play == merges.WITHDRAW:
        told["places"] = {one.village.code: _place(one) for one in _members(run.options["codes"])}
    if run.play == merges.NARROW:
        members = _members(run.options["codes"])
        told["shares"] = {one.village.code: _shares(one) for one in members}
    return {"gabungan": told}


def _merged_places(run: Run) -> dict[str, Any]:
    """Return place and shares by host; those that have left meanwhile are told to nobody."""
    found = {}
    for target in run.targets:
        member = merges.find_member(db.session.get_one(Site, target.site_id).village)
        if member is not None and not merges.has_left(member):
            found[target.host] = {**_place(member), "shares": _shares(member)}
    return found


def _members(codes: Iterable[str]) -> list[Member]:
    query = select(Member).join(Village).where(Village.code.in_(codes)).order_by(Member.id)
    return list(db.session.scalars(query))


def _place(member: Member) -> dict[str, int]:
    return {"config_id": member.id, "slot": member.slot, "slots": member.slots}


def _shares(member: Member) -> dict[str, Any]:
    return consents.of_village(member.village).shares
