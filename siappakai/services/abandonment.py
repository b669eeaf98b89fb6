"""A machine that is gone for good: taken off the fleet with all sites it held."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from siappakai.domain.states import TERMINAL, RunState, SiteState
from siappakai.errors import ConflictError, InvalidInputError
from siappakai.models import Run, Server, Site, Target, registry_now, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import audit, leases, outcomes, runs, servers, steps
from siappakai.wording import say

_GONE = say("Server ini ditinggalkan: mesinnya tidak akan kembali.")


def abandon_server(server_id: int, *, confirmed_count: int, by: str) -> int:
    """Take a server off the fleet without asking it; return how many sites it held.

    Its villages stay registered and can be planned elsewhere; what lay on the machine is lost
    unless there is a copy. Runs that wait for it or for a look at it end. Raises
    InvalidInputError unless `confirmed_count` is the number of its sites, ConflictError while a
    run is at work on it.
    """
    with transaction() as session:
        server = servers.get_server(server_id)
        held = _sites_of(session, server)
        if confirmed_count != len(held):
            raise InvalidInputError(
                say(
                    "Server ini memuat %(count)s situs, bukan %(confirmed_count)s.",
                    count=len(held),
                    confirmed_count=confirmed_count,
                ),
                say("Ketik jumlah situs yang benar."),
                field="confirmed_count",
            )
        end_runs(session, server, _GONE)
        codes = [site.village.code for site in held]
        for site in held:
            outcomes.mark_removed(site)
            site.message = _GONE
        audit.record("server.abandon", server.name, by=by, detail={"villages": codes})
        servers.retire(server)
        return len(held)


def _sites_of(session: Session, server: Server) -> list[Site]:
    query = select(Site).where(Site.server_id == server.id, Site.state != SiteState.REMOVED)
    return list(session.scalars(query.order_by(Site.id)))


def end_runs(session: Session, server: Server, reason: str) -> None:
    """End what waits for a server and what nobody settles, for `reason`, which people read.

    Raises ConflictError while a run is at work on it.
    """
    here = select(Target.run_id).where(Target.server_id == server.id)
    query = select(Run).where(Run.id.in_(here), Run.state.not_in(TERMINAL)).with_for_update()
    now = registry_now(session)
    for run in session.scalars(query):
        if run.state is RunState.QUEUED:
            runs.cancel_queued(run)
        elif run.lease_until is not None and run.lease_until > now:
            raise ConflictError(
                say("Pekerjaan %(run)s masih berjalan di server ini.", run=run.id),
                say("Tunggu sampai berhenti, atau batalkan dahulu."),
            )
        else:
            _give_up(session, run, reason)


def _give_up(session: Session, run: Run, reason: str) -> None:
    """End a run whose targets nobody can look at any more."""
    for target in leases.unsettled(run):
        steps.interrupt_steps(session, target.id)
        target.state, target.message, target.ended_at = RunState.FAILED, reason, utc_now()
    run.state, run.message = RunState.FAILED, reason
    run.ended_at, run.lease_until = utc_now(), None
    leases.release_locks(session, run)
