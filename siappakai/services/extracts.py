"""Taking one village out of a gabungan: ours, or one that villages write live."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from siappakai.credentials import new_app_key, readable_password
from siappakai.domain.states import ServerState
from siappakai.errors import InvalidInputError, RefusedError
from siappakai.models import Run, Server, Village, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import audit, exports, merges, releases, runs, site_secrets, villages
from siappakai.wording import say

_DATABASE = re.compile(r"[a-z][a-z0-9_-]{2,63}")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A database on a server that several villages write live."""

    server: Server
    database: str


def request(
    village: Village, *, is_incomplete: bool = False, foreign: Foreign | None = None, by: str
) -> Run:
    """Ask for a village's own database out of our gabungan, or out of a foreign one.

    Unless `is_incomplete` all of it must be there. Raises RefusedError for a village that is not
    merged and a server that is not ready, InvalidInputError for a name that no database has.
    """
    exports.forget_old()
    with transaction():
        # Known before it begins: without the release nothing can be rebuilt.
        releases.get_release(merges.mapped_version())
        server = _foreign_server(foreign) if foreign else _own_server(village)
        database = foreign.database if foreign else ""
        options = {"code": village.code, "database": database, "incomplete": is_incomplete}
        audit.record("gabungan.extract", village.code, by=by, detail=options)
        return runs.create_server_run(exports.EXTRACT, server, by=by, options=options)


def _own_server(village: Village) -> Server:
    gabungan, member = merges.get_gabungan(), merges.find_member(village)
    if member is None or member.merged_at is None:
        raise RefusedError(
            say("%(name)s tidak ada di gabungan.", name=village.name),
            say("Gabungkan dahulu, atau periksa kodenya."),
        )
    return gabungan.server


def _foreign_server(foreign: Foreign) -> Server:
    if _DATABASE.fullmatch(foreign.database) is None:
        raise InvalidInputError(
            say("“%(name)s” bukan nama basis data.", name=foreign.database),
            say("Huruf kecil, angka, _ dan -; paling sedikit 3."),
            field="database",
        )
    if foreign.server.state is not ServerState.READY:
        raise RefusedError(
            say("Server %(server)s belum siap.", server=foreign.server.name),
            say("Siapkan server itu dahulu."),
        )
    return foreign.server


def play_vars(run: Run) -> dict[str, Any]:
    """Return what a playbook is told of what to take out; nothing for other plays.

    What is secret of it is made now, and stands in the archive alone.
    """
    if run.play != exports.EXTRACT:
        return {}
    release = releases.get_release(merges.mapped_version())
    is_foreign, password = bool(run.options["database"]), readable_password()
    told: dict[str, Any] = {
        "database": run.options["database"],
        "code": run.options["code"],
        "is_foreign": is_foreign,
        "is_incomplete": run.options["incomplete"],
        "unknown": [],
        "day": utc_now().date().isoformat(),
        "release": asdict(releases.release_vars(release)),
        "secrets": {
            "app_key": new_app_key(),
            "password": password,
            "password_hash": site_secrets.password_hash(password),
        },
    }
    if not is_foreign:
        told["database"] = merges.get_gabungan().schema
        member = merges.find_member(villages.get_village(run.options["code"]))
        tables = member.report.get("tables", {}) if member else {}
        told["unknown"] = sorted(name for name, kind in tables.items() if kind[2] == "unknown")
    return {"extract": told}
