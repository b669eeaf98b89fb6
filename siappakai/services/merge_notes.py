"""What plays tell of the gabungan while they run, written into the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from siappakai.models import Gabungan, Member, Run, Site, Village, utc_now
from siappakai.services import exports, merges, narrowing, slots
from siappakai.wording import say

_MOST_SLOTS: Final = 50


def note(session: Session, run_id: int, told: Mapping[str, Any]) -> None:
    """Keep what is told of the gabungan: made, merged by site, proven, left by code, taken out."""
    run = session.get_one(Run, run_id)
    if run.play == exports.EXTRACT:
        run.targets[0].result = dict(told)
        return
    gabungan = session.scalars(select(Gabungan).limit(1)).one()
    _NOTES[run.play](session, run, gabungan, told)


def _note_made(_: Session, __: Run, gabungan: Gabungan, ___: Mapping[str, Any]) -> None:
    gabungan.made_at = gabungan.made_at or utc_now()


def _note_merged(session: Session, run: Run, gabungan: Gabungan, told: Mapping[str, Any]) -> None:
    """Believe a server in the villages its run was asked for, and in no others."""
    for target in run.targets:
        if target.host in told and target.site_id is not None:
            site = session.get_one(Site, target.site_id)
            query = select(Member).where(Member.village_id == site.village_id)
            member = session.scalars(query).one()
            # What an older run tells was deleted since.
            if run.token >= member.left_token:
                _note_member(gabungan, member, told[target.host])


def _note_member(gabungan: Gabungan, member: Member, report: Mapping[str, Any]) -> None:
    state = report.get("state")
    if state == "failed":
        member.message = str(report.get("message", ""))
        member.error = dict(report.get("error") or {})
        if member.error.get("code") == "wrong_slot":
            slots.settle(gabungan, member, member.error["params"])
        _give_room(gabungan, member, int(report.get("slots") or 0))
        return
    member.message, member.error, member.waits_for = "", {}, ""
    if state == "waiting":
        member.waits_for = say(
            "Basis data desa sudah versi %(village)s, gabungan masih %(gabungan)s. Desa ini"
            " digabungkan lagi setelah gabungan memakai rilis itu.",
            village=int(report["village"]),
            gabungan=int(report["gabungan"]),
        )
        return
    if not merges.has_left(member):
        member.withdrawn_at = None
    member.checked_at = utc_now()
    if state == "merged":
        member.merged_at = member.checked_at
        member.report = dict(report)
        member.rows = sum(int(expected) for _, expected, _ in report["tables"].values())
        # Decided while this merge ran, of which there was nothing to delete then.
        if "shares" in report:
            narrowing.narrow_again(gabungan, member)


def _give_room(gabungan: Gabungan, member: Member, count: int) -> None:
    """Set a larger place aside for a village whose ids need it, or say that there is none."""
    if count <= member.slots:
        return
    if count <= _MOST_SLOTS and slots.are_left(gabungan, count):
        member.slot, member.slots = slots.take(gabungan, count), count
        return
    member.error = {}
    member.message = say(
        "Nomor baris desa ini memerlukan %(slots)s tempat di gabungan, dan sebanyak itu tidak ada."
        " Cari baris bernomor sangat besar di basis data desa, perbaiki, lalu gabungkan lagi.",
        slots=count,
    )


def _note_verified(_: Session, __: Run, gabungan: Gabungan, told: Mapping[str, Any]) -> None:
    gabungan.verified = dict(told)
    gabungan.verified_at = utc_now()


def _note_withdrawn(session: Session, run: Run, _: Gabungan, told: Mapping[str, Any]) -> None:
    codes = [code for code in run.options["codes"] if code in told]
    query = select(Member).join(Village).where(Village.code.in_(codes))
    for member in session.scalars(query):
        member.withdrawn_at = member.withdrawn_at or utc_now()
        member.left_token = run.token
        member.merged_at = member.checked_at = None
        member.rows, member.report = 0, {}


def _note_narrowed(session: Session, run: Run, _: Gabungan, told: Mapping[str, Any]) -> None:
    """Note that no more is left of villages than they shared when the run began."""
    codes = [code for code in run.options["codes"] if code in told]
    query = select(Member).join(Village).where(Village.code.in_(codes))
    for member in session.scalars(query):
        found = told[member.village.code]
        member.report = {**member.report, "shares": found["shares"]}
        member.rows = max(0, member.rows - int(found["rows"]))


_NOTES: Final[dict[str, Callable[[Session, Run, Gabungan, Mapping[str, Any]], None]]] = {
    "gabungan": _note_made,
    "merge": _note_merged,
    "verify": _note_verified,
    "withdraw": _note_withdrawn,
    "narrow": _note_narrowed,
}
