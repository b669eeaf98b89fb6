"""Signs of life for whoever watches the panel from outside."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from siappakai.models import db
from siappakai.services.health import readiness

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return "registry does not answer\n", 503, {"Content-Type": "text/plain"}
    return "ok\n", 200, {"Content-Type": "text/plain"}


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    # Names alone: what a check saw may hold paths and addresses; `siappakai doctor` tells that.
    checks = {check.name: check.ok for check in readiness()}
    ready = all(checks.values())
    return {"ready": ready, "checks": checks}, 200 if ready else 503
