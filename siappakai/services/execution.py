"""Executing a run in a worker, and settling one whose worker is gone."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from sqlalchemy import select

from siappakai import dispatch
from siappakai.ansible.inventory import build_inventory
from siappakai.ansible.plays import CATALOGUE, Play
from siappakai.ansible.runner import PlayRequest, play, sweep
from siappakai.domain.states import RunState, overall
from siappakai.errors import SiapPakaiError
from siappakai.models import Run, Site, Target, db, registry_now, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import (
    adoptions,
    alerts,
    backup_runs,
    couriers,
    exports,
    extracts,
    firing,
    fleet_calendar,
    incoming,
    leases,
    merge_vars,
    outcomes,
    registry_backups,
    restorations,
    restore_runs,
    rounds,
    steps,
)
from siappakai.services.hosts import Cast, hosts_of, keys_for
from siappakai.services.leases import Lease, LeaseLostError, Tenure
from siappakai.services.recorder import Prober, Recorder
from siappakai.services.runs import queue_of, ring
from siappakai.wording import join, say

log = logging.getLogger(__name__)

_INTERRUPTED = say("Terhenti sebelum selesai; jalankan lagi untuk menyelesaikannya.")
_CANCELLED = say("Dibatalkan.")
_PROBE = "health"
# More than a look at many sites takes that all keep silent until they are given up.
_PROBE_TIMEOUT_SECONDS = 1800


def execute(run_id: int) -> None:
    """Do what a run needs now: play it when it is queued, settle it when it is lost."""
    sweep_orphans()
    lease = leases.claim(run_id)
    if lease is not None:
        _guarded(lease, _play)
    elif (lost := leases.claim_lost(run_id)) is not None:
        _guarded(lost, _settle_lost)
    adoptions.clear_up(run_id)


def tick() -> None:
    """Look after what no worker does: lost leases, queued runs whose job vanished, schedules."""
    lost = leases.expired()
    sweep_orphans()
    for run_id in lost:
        ring(run_id, dispatch.SETTLE)
    _ring_waiting()
    alerts.watch_the_lookout()
    firing.fire_due()
    fleet_calendar.count_if_due()
    backup_runs.carry_on()
    restorations.let_go()
    incoming.forget_old()
    registry_backups.ring_if_due()
    rounds.note_tick()


def sweep_orphans() -> None:
    """End what is left on this machine of plays whose run has gone on without them.

    What they left on servers is ended by the probe that settles the run.
    """
    for workspace in _plays().glob("*-*"):
        run_id, _, token = workspace.name.partition("-")
        if not (run_id.isdigit() and token.isdigit()):
            continue
        if not leases.is_current(int(run_id), int(token)):
            killed = sweep(workspace)
            log.warning("run %s: removed %s with %s processes", run_id, workspace, killed)


def _guarded(lease: Lease, work: Callable[[Tenure], None]) -> None:
    with leases.heartbeat(lease) as tenure:
        try:
            work(tenure)
        except LeaseLostError:
            log.warning("run %s was settled by another worker; stopping", lease.run_id)
            return
        except SiapPakaiError as error:
            _abort(tenure, error.told)
        except Exception as error:
            log.exception("run %s failed", lease.run_id)
            _abort(tenure, _of_our_own_making(error))
    _ring_waiting()


def _of_our_own_making(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return say(
        "Kesalahan di dalam panel: %(error)s (%(place)s). Laporkan ini, lalu coba lagi.",
        error=f"{type(error).__name__}: {error}",
        place=f"{place.name}, {Path(place.filename).name}:{place.lineno}",
    )


def _play(tenure: Tenure) -> None:
    with transaction() as session:
        run = leases.hold(session, tenure.lease)
        outcomes.begin(session, run)
    entry = CATALOGUE[run.play]
    recorder = Recorder(run, tenure)
    couriers.prepare(run, tenure)
    tellers = (adoptions, backup_runs, exports, extracts, merge_vars, restore_runs)
    known = {name: value for one in tellers for name, value in one.play_vars(run).items()}
    _run_playbook(run, entry, recorder, list(run.targets), known)
    recorder.finish()
    _settle(tenure, entry, recorder)


def _settle(tenure: Tenure, entry: Play, recorder: Recorder) -> None:
    """Give every target an end: by what was seen, or by looking at its site."""
    still_open = _open_targets(tenure)
    unsure = {target.host for target in still_open if target.state is RunState.LOST}
    if recorder.has_ended and not unsure:
        verdicts = {} if entry.is_judged else _words_of_ansible(still_open)
        _finish(tenure, verdicts, _INTERRUPTED)
    elif recorder.is_untouched:
        _finish(tenure, {}, recorder.reason, cause=recorder.cause)
    else:
        tenure.renew()
        cause = recorder.reason if recorder.failures else ""
        _probe_and_finish(tenure, join(_INTERRUPTED, cause))


def _words_of_ansible(still_open: Collection[Target]) -> dict[str, outcomes.Verdict]:
    """Return the verdicts of a play without a health check: a host that did not fail is done."""
    begun = [target for target in still_open if target.state is RunState.RUNNING]
    return {target.host: {"healthy": True, "state": "absent"} for target in begun}


def _settle_lost(tenure: Tenure) -> None:
    sweep_orphans()
    _probe_and_finish(tenure, _INTERRUPTED)


def _probe_and_finish(tenure: Tenure, message: str) -> None:
    """Look at the sites of the open targets; what cannot be seen stays lost, its locks held."""
    targets = _open_targets(tenure)
    if not targets:
        _finish(tenure, {}, message)
        return
    prober = _probe(tenure, targets)
    unseen = {target.host for target in targets} - prober.seen
    _finish(
        tenure,
        prober.verdicts,
        message,
        unseen=unseen,
        reason=prober.reason,
    )


def _open_targets(tenure: Tenure) -> list[Target]:
    db.session.commit()
    run = db.session.get_one(Run, tenure.lease.run_id, populate_existing=True)
    return leases.unsettled(run)


def _probe(tenure: Tenure, targets: list[Target]) -> Prober:
    """Look at the sites of targets through their server.

    The lease's token is newer than that of the play that went before: the probe leaves it with
    each site, which fences off what may still come, and ends what is still at work.
    """
    run = targets[0].run
    prober = Prober(run, tenure)
    patience = current_settings().orphan_patience_seconds
    _run_playbook(
        run, CATALOGUE[_PROBE], prober, targets, {"probe": True, "patience_seconds": patience}
    )
    prober.finish()
    return prober


def _run_playbook(
    run: Run,
    entry: Play,
    recorder: Recorder,
    targets: list[Target],
    extra_vars: dict[str, Any],
) -> None:
    settings = current_settings()
    play_id = f"{run.id}-{recorder.tenure.lease.token}"
    is_probe = isinstance(recorder, Prober)
    cast = hosts_of(run, targets, is_shipped=entry.installs)
    _refuse_unfit(recorder, cast)
    if not cast.servers:
        return
    private_key, known_hosts = keys_for(cast.servers)
    play(
        PlayRequest(
            playbook=entry.playbook,
            inventory=build_inventory([server.host for server in cast.servers]),
            extra_vars={"play_id": play_id, **extra_vars},
            workspace=_plays() / play_id,
            forks=leases.forks_of(run),
            timeout_seconds=_PROBE_TIMEOUT_SECONDS if is_probe else settings.run_timeout_seconds,
            private_key=private_key,
            known_hosts=known_hosts,
            is_brief=is_probe,
        ),
        recorder,
    )


def _refuse_unfit(recorder: Recorder, cast: Cast) -> None:
    """Fail the targets that cannot take part; the others are played all the same.

    One that had begun stays as it is: only a look at its site tells how it ended.
    """
    if not cast.unfit:
        return
    recorder.last_lines.extend(cast.unfit.values())
    with transaction() as session:
        for target in leases.hold(session, recorder.tenure.lease).targets:
            if target.id in cast.unfit and target.state is RunState.QUEUED:
                outcomes.conclude(session, target, RunState.FAILED, cast.unfit[target.id])


def _plays() -> Path:
    """Where plays have their workspaces, each named `<run>-<token>`."""
    return current_settings().run_dir / "plays"


def _finish(
    tenure: Tenure,
    verdicts: dict[str, outcomes.Verdict],
    message: str,
    *,
    unseen: Collection[str] = (),
    reason: str = "",
    cause: dict[str, Any] | None = None,
) -> None:
    """End what is still open, then the run; give its locks back.

    `cause` is the machine-readable form of `message`, where there is one.

    While one of its targets is `unseen` the run stays lost, its locks held, and `reason` shown.
    """
    with transaction() as session:
        run = leases.hold(session, tenure.lease)
        for target in leases.unsettled(run):
            if target.host in unseen:
                target.state = RunState.LOST
            else:
                target.error = target.error or cause or {}
                _end_target(run, target, verdicts.get(target.host), message)
        run.state = overall([target.state for target in run.targets])
        if run.state is RunState.LOST:
            run.message = say(
                "Keadaan di server belum diketahui, dicoba lagi: %(reason)s", reason=reason
            )
            run.lease_until = registry_now(session)
            return
        run.ended_at = utc_now()
        run.lease_until = None
        run.message = ""
        leases.release_locks(session, run)


def _end_target(run: Run, target: Target, verdict: outcomes.Verdict | None, message: str) -> None:
    """End an open target by what was seen of it, or as cancelled or failed."""
    session = db.session()
    otherwise = RunState.CANCELLED if run.cancel_requested else RunState.FAILED
    site = session.get(Site, target.site_id) if target.site_id else None
    is_new = site is None or site.installed_at is None
    state = outcomes.settled_state(run.play, verdict, otherwise, is_new=is_new, run_id=run.id)
    told = _CANCELLED if run.cancel_requested else message
    if target.message and target.message not in told:
        told = join(told, target.message)
    if verdict is not None and verdict.get("checks"):
        target.result = verdict
    steps.interrupt_steps(session, target.id)
    outcomes.conclude(session, target, state, "" if state is RunState.SUCCEEDED else told)


def _abort(tenure: Tenure, message: str) -> None:
    """End a run that broke in our own hands; one that had begun is left to be probed."""
    still_open = _open_targets(tenure)
    unseen = {target.host for target in still_open} if _has_begun(tenure, still_open) else set()
    try:
        _finish(tenure, {}, message, unseen=unseen, reason=message)
    except LeaseLostError:
        log.warning("run %s had already ended", tenure.lease.run_id)


def _has_begun(tenure: Tenure, still_open: Collection[Target]) -> bool:
    """Tell whether anything of a run may have reached a server."""
    run = db.session.get_one(Run, tenure.lease.run_id, populate_existing=True)
    is_touched = any(target.state is not RunState.QUEUED for target in still_open)
    return is_touched or run.pid is not None or tenure.lease.state is RunState.LOST


def _ring_waiting() -> None:
    """Wake the runs that may have waited for our locks."""
    queued = select(Run.id, Run.play).where(Run.state == RunState.QUEUED).order_by(Run.id)
    for run_id, play_name in db.session.execute(queued).all():
        ring(run_id, queue_of(play_name))
