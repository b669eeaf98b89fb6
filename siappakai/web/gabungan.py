"""The gabungan: how fresh each village in it is, what was proven, what to ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from siappakai.domain.consent import GROUPS, Share
from siappakai.errors import NotFoundError
from siappakai.models import Consent, Member, Role, Run
from siappakai.services import consents, merges, narrowing
from siappakai.web.forms.consents import SHARES
from siappakai.web.identity import actor
from siappakai.web.messages import explain
from siappakai.web.security import requires

blueprint = Blueprint("gabungan", __name__, url_prefix="/gabungan")

_QUALITY: Final = {
    "duplicate": lazy_gettext("Baris kembar menurut kunci gabungan, tidak digabungkan: %(what)s"),
    "beyond": lazy_gettext("Menunjuk baris yang tidak ada, dikosongkan: %(what)s"),
    "label": lazy_gettext("Ejaan rujukan kabupaten berbeda di desa: %(what)s"),
    "meaning": lazy_gettext("Arti rujukan kabupaten berbeda di desa: %(what)s"),
    "extra": lazy_gettext("Rujukan yang hanya ada di desa: %(what)s"),
}


@blueprint.get("/")
@requires(Role.VIEWER)
def show() -> ResponseReturnValue:
    try:
        gabungan = merges.get_gabungan()
    except NotFoundError as missing:
        return render_template("gabungan/show.html", gabungan=None, missing=missing)
    members, known = merges.list_members(), consents.newest()
    return render_template(
        "gabungan/show.html",
        gabungan=gabungan,
        members=members,
        told={one.id: _told(one, known) for one in members},
        differs=_differs(gabungan.verified),
        shared=gabungan.verified.get("shared", []),
        sums=gabungan.verified.get("sums"),
    )


@blueprint.post("/merge")
@requires(Role.OPERATOR)
def merge() -> ResponseReturnValue:
    return _to(merges.request_merge(site_ids=merges.merge_site_ids(), whole=False, by=actor()))


@blueprint.post("/verify")
@requires(Role.OPERATOR)
def verify() -> ResponseReturnValue:
    return _to(merges.request_verify(by=actor()))


@blueprint.post("/pause")
@requires(Role.OPERATOR)
def pause() -> ResponseReturnValue:
    merges.pause(is_paused=True, by=actor())
    flash(_("Penggabungan dijeda."))
    return redirect(url_for("gabungan.show"), 303)


@blueprint.post("/resume")
@requires(Role.OPERATOR)
def resume() -> ResponseReturnValue:
    merges.pause(is_paused=False, by=actor())
    flash(_("Penggabungan berjalan lagi."))
    return redirect(url_for("gabungan.show"), 303)


def _to(run: Run) -> ResponseReturnValue:
    return redirect(url_for("runs.show", run_id=run.id), 303)


def _told(member: Member, known: Mapping[int | None, Consent]) -> dict[str, Any]:
    """Return what the page says of a village besides what stands in its row."""
    tables = member.report.get("tables", {})
    shares = consents.of_village(member.village, known).shares
    kinds = {share: [one for one in GROUPS if shares.get(one) == share] for share in Share}
    return {
        "residents": member.report.get("statistics", {}).get("penduduk", 0),
        "tables": len(tables),
        "references": member.report.get("references", 0),
        "quality": [_worded(line) for line in member.report.get("quality", [])],
        "failed": explain(member) if member.message or member.error else None,
        "unknown": sorted(name for name, counts in tables.items() if counts[2] == "unknown"),
        "shared_no_more": narrowing.too_much_of(member, known),
        "shares": [(SHARES[share], groups) for share, groups in kinds.items() if groups],
    }


def _worded(line: str) -> Any:
    """Return a note on a village's data in words; the module names its kind before a colon."""
    kind, _, what = line.partition(": ")
    words = _QUALITY.get(kind)
    return line if words is None else words % {"what": what}


def _differs(verified: dict[str, Any]) -> dict[str, list[str]]:
    villages = verified.get("villages", {})
    return {code: told["differs"] for code, told in villages.items() if told["differs"]}
