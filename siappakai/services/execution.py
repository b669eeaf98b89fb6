"""Executing a run in a worker, and settling one whose worker is gone."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from siappakai import dispatch
from siappakai.ansible.events import TaskEnded, log_lines, read_event
from siappakai.ansible.inventory import build_inventory
from siappakai.ansible.plays import CATALOGUE, Play
from siappakai.ansible.processes import kill_marked
from siappakai.ansible.runner import PlayOutcome, PlayRequest, play
from siappakai.domain.states import RunState, overall
from siappakai.errors import SiapPakaiError
from siappakai.models import Run, Target, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import health, leases, outcomes
from siappakai.services.hosts import hosts_of, keys_for
from siappakai.services.leases import Lease, LeaseLostError
from siappakai.services.recorder import Recorder
from siappakai.services.runs import ring

log = logging.getLogger(__name__)

_INTERRUPTED = "Terhenti sebelum selesai; jalankan lagi untuk menyelesaikannya."
_CANCELLED = "Dibatalkan."
_PROBE = "health"


def execute(run_id: int) -> None:
    """Do what a run needs now: play it when it is queued, settle it when it is lost."""
    lease = leases.claim(run_id)
    if lease is not None:
        _guarded(lease, _play)
        return
    lost = leases.claim_lost(run_id)
    if lost is not None:
        _guarded(lost, _settle_lost)


def tick() -> None:
    """Look after what no worker does: lost leases, queued runs whose job vanished."""
    for run_id in leases.expired():
        kill_orphans(run_id)
        ring(run_id, dispatch.CLOCK)
    _ring_waiting()
    health.note_tick()


def kill_orphans(run_id: int) -> None:
    """Kill what a lost play left on this machine; what runs elsewhere is fenced by its token."""
    run = db.session.get_one(Run, run_id)
    killed = kill_marked(run.token)
    if killed:
        log.warning("run %s: killed %s orphaned processes", run_id, killed)


def _guarded(lease: Lease, work: Callable[[Lease, threading.Event], None]) -> None:
    try:
        with leases.heartbeat(lease) as lease_lost:
            work(lease, lease_lost)
    except LeaseLostError:
        log.warning("run %s was settled by another worker; stopping", lease.run_id)
        return
    except SiapPakaiError as error:
        _abort(lease, str(error))
    except Exception:
        log.exception("run %s failed", lease.run_id)
        _abort(lease, traceback.format_exc(limit=-3))
    _ring_waiting()


def _play(lease: Lease, lease_lost: threading.Event) -> None:
    with transaction() as session:
        run = leases.hold(session, lease)
        outcomes.begin(session, run)
    entry = CATALOGUE[run.play]
    recorder = Recorder(run, lease, lease_lost)
    outcome = _run_playbook(run, entry, recorder, list(run.targets), {})
    recorder.flush()
    _settle(lease, entry, recorder, outcome)


def _settle(lease: Lease, entry: Play, recorder: Recorder, outcome: PlayOutcome) -> None:
    """Give every target an end: by what was seen, or by looking at its site."""
    cancelled = recorder.is_cancelled()
    otherwise = RunState.CANCELLED if cancelled else RunState.FAILED
    message = _CANCELLED if cancelled else _INTERRUPTED
    if outcome.status in {"canceled", "timeout"}:
        lease = leases.renew(lease)
        _finish(lease, _probe(lease), otherwise, message)
        return
    verdicts = {} if entry.is_judged else _words_of_ansible(lease)
    _finish(lease, verdicts, otherwise, message)


def _words_of_ansible(lease: Lease) -> dict[str, outcomes.Verdict]:
    """Return the verdicts of a play without a health check: a host that did not fail is done."""
    begun = [target for target in _open_targets(lease) if target.state is RunState.RUNNING]
    return {target.host: {"healthy": True, "installed": False} for target in begun}


def _settle_lost(lease: Lease, _lease_lost: threading.Event) -> None:
    kill_orphans(lease.run_id)
    verdicts = _probe(lease)
    unseen = [
        target
        for target in _open_targets(lease)
        if target.site_id is not None and target.host not in verdicts
    ]
    if unseen:
        _keep_lost(lease, unseen)
    else:
        _finish(lease, verdicts, RunState.FAILED, _INTERRUPTED)


def _keep_lost(lease: Lease, unseen: list[Target]) -> None:
    names = ", ".join(target.label for target in unseen[:3])
    with transaction() as session:
        run = leases.hold(session, lease)
        run.message = f"Server tidak terjangkau; keadaan belum diketahui: {names}. Dicoba lagi."
        run.lease_until = utc_now()


def _open_targets(lease: Lease) -> list[Target]:
    db.session.commit()
    run = db.session.get_one(Run, lease.run_id, populate_existing=True)
    return leases.unsettled(run)


def _probe(lease: Lease) -> dict[str, outcomes.Verdict]:
    """Look at the sites of the open targets through their server.

    The lease's token is newer than that of the play that went before, which fences off what
    may still work of it.
    """
    sites = [target for target in _open_targets(lease) if target.site_id is not None]
    if not sites:
        return {}
    run = sites[0].run
    with leases.heartbeat(lease) as lease_lost:
        prober = _Prober(run, lease, lease_lost)
        _run_playbook(run, CATALOGUE[_PROBE], prober, sites, {"probe": True})
        prober.flush()
    return prober.verdicts


class _Prober(Recorder):
    """Records the log of a probe and its verdicts; the targets are settled by the caller."""

    def on_event(self, event: dict[str, Any]) -> None:
        """Keep the log and the verdicts; a probe has no steps of its own."""
        self.lines.extend(log_lines(event))
        meaning = read_event(event)
        if isinstance(meaning, TaskEnded):
            self.verdicts |= meaning.verdicts

    def is_cancelled(self) -> bool:
        """Answer no: a probe is how a cancelled run finds its end."""
        return False


def _run_playbook(
    run: Run,
    entry: Play,
    recorder: Recorder,
    targets: list[Target],
    extra_vars: dict[str, Any],
) -> PlayOutcome:
    settings = current_settings()
    token = recorder.lease.token
    servers = hosts_of(run, targets)
    private_key, known_hosts = keys_for(servers)
    return play(
        PlayRequest(
            playbook=entry.playbook,
            inventory=build_inventory([server.host for server in servers]),
            extra_vars=extra_vars,
            workspace=settings.run_dir / "plays" / f"{run.id}-{token}",
            token=token,
            forks=leases.forks_of(run),
            timeout_seconds=settings.run_timeout_seconds,
            private_key=private_key,
            known_hosts=known_hosts,
        ),
        recorder,
    )


def _finish(
    lease: Lease, verdicts: dict[str, outcomes.Verdict], otherwise: RunState, message: str
) -> None:
    """End what is still open, then the run; give its locks back."""
    with transaction() as session:
        run = leases.hold(session, lease)
        for target in leases.unsettled(run):
            state = outcomes.settled_state(run.play, verdicts.get(target.host), otherwise)
            text = "" if state is RunState.SUCCEEDED else message
            outcomes.conclude(session, target, state, text)
        run.state = overall([target.state for target in run.targets])
        run.ended_at = utc_now()
        run.lease_until = None
        run.message = ""
        leases.release_locks(session, run)


def _abort(lease: Lease, message: str) -> None:
    """End a run that broke in our own hands."""
    try:
        _finish(lease, {}, RunState.FAILED, message)
    except LeaseLostError:
        log.warning("run %s had already ended", lease.run_id)


def _ring_waiting() -> None:
    """Wake the runs that may have waited for our locks."""
    queued = db.session.scalars(select(Run.id).where(Run.state == RunState.QUEUED).order_by(Run.id))
    for run_id in queued.all():
        ring(run_id)
