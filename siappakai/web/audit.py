"""The audit trail."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from siappakai.models import Role
from siappakai.services import audit as trail
from siappakai.web.security import requires

blueprint = Blueprint("audit", __name__, url_prefix="/audit")


@blueprint.get("/")
@requires(Role.ADMIN)
def show_list() -> ResponseReturnValue:
    entries = trail.list_entries(
        actor=request.args.get("actor", ""),
        action=request.args.get("action", ""),
        subject=request.args.get("subject", ""),
        page=request.args.get("page", 1, type=int),
    )
    return render_template("audit/list.html", entries=entries, chain=trail.verify(last=trail.TAIL))


@blueprint.get("/chain")
@requires(Role.ADMIN)
def verify_chain() -> ResponseReturnValue:
    return render_template("audit/chain.html", chain=trail.verify(last=trail.LONG_TAIL))
