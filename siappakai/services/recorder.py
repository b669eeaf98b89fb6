"""Writing a play into the registry while it happens."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from siappakai.ansible.events import (
    PlayEnded,
    SiteReport,
    TaskEnded,
    TaskStarted,
    log_lines,
    read_event,
)
from siappakai.models import LogChunk, Run, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import backup_notes, merge_notes, outcomes, steps
from siappakai.services.leases import LeaseLostError, Tenure, hold
from siappakai.services.runs import pack
from siappakai.wording import join, say

log = logging.getLogger(__name__)

_FLUSH_SECONDS = 1.0
_CHUNK_LINES = 400
_LAST_LINES = 6
# Modules that work on all sites of a server in one call: from its start each may have been begun.
_WORKS_ON_SITES = frozenset({"site_install", "site_backup", "site_restore", "gabungan_merge"})


class Recorder:
    """Watches a play (see ansible.runner.Watcher) and stores its steps, verdicts and log.

    What happens is kept in order and written about once a second, in one transaction that
    also proves that the run is still ours; LeaseLostError otherwise. `has_ended` tells whether
    the play came to its end by itself.
    """

    def __init__(self, run: Run, tenure: Tenure) -> None:
        self.run_id = run.id
        self.tenure = tenure
        self.targets = {target.host: target.id for target in run.targets}
        self.servers = {f"server-{target.server_id}": target.server_id for target in run.targets}
        self.has_ended = False
        self.has_reached = False
        self.is_cut_off = False
        self.at_work: set[str] = set()
        self.failures: dict[str, TaskEnded] = {}
        self.pending: list[Callable[[Session], None]] = []
        self.lines: list[str] = []
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self.next_line = _lines_so_far(run.id)
        self.flushed_at = time.monotonic()

    @property
    def reason(self) -> str:
        """Why the play did not come to its end, as far as it said so."""
        failed = join(*map(steps.words_of, self.failures.values()), between="\n")
        lines = join(*self.last_lines, between="\n")
        return failed or say("Ansible berhenti: %(lines)s", lines=lines)

    @property
    def cause(self) -> dict[str, Any]:
        """The machine-readable form of `reason`; empty when no task told one."""
        return next(map(steps.cause_of, self.failures.values()), {})

    @property
    def is_untouched(self) -> bool:
        """Tell whether nothing can have begun: no server answered, and none is at work."""
        return not self.has_reached and not self.at_work

    def on_start(self, pid: int, started: int) -> None:
        """Store the process of the play, for a person who looks for it.

        At once: whoever ends the run from here on must look at its sites first.
        """

        def note(session: Session) -> None:
            run = session.get_one(Run, self.run_id)
            run.pid, run.pid_started = pid, started

        self.pending.append(note)
        self._flush_or_wait()

    def on_event(self, event: dict[str, Any]) -> None:
        """Take one event of ansible-runner."""
        self._keep_lines(event)
        meaning = read_event(event)
        if isinstance(meaning, TaskStarted):
            self.at_work.add(meaning.host)
            self._on_task_started(meaning)
        elif isinstance(meaning, TaskEnded):
            self._note_contact(meaning)
            self._on_task_ended(meaning)
        elif isinstance(meaning, PlayEnded):
            self.has_ended = True
            self._on_play_ended(meaning)
        self._flush_in_time()

    def should_stop(self) -> bool:
        """Tell whether the lease is lost, the server has gone, or a person cancelled."""
        self._flush_in_time()
        return self.tenure.lost.is_set() or self.is_cut_off or self.is_cancelled()

    def is_cancelled(self) -> bool:
        """Tell whether a person asked for the run to stop."""
        try:
            wanted = db.session.scalar(select(Run.cancel_requested).where(Run.id == self.run_id))
            db.session.commit()
        except OperationalError as error:
            self._wait_for_registry(error)
            return False
        return bool(wanted)

    def flush(self) -> None:
        """Write what has gathered; raises LeaseLostError when the run is no longer ours."""
        self.flushed_at = time.monotonic()
        with transaction() as session:
            hold(session, self.tenure.lease)
            for write in self.pending:
                write(session)
            self._write_log(session)
        self.next_line += len(self.lines)
        self.pending.clear()
        self.lines.clear()

    def finish(self) -> None:
        """Write the rest, however long the registry is away: at most until the lease is lost."""
        while True:
            try:
                self.flush()
            except OperationalError as error:
                self._wait_for_registry(error)
            else:
                return

    def _flush_in_time(self) -> None:
        if time.monotonic() - self.flushed_at > _FLUSH_SECONDS:
            self._flush_or_wait()

    def _flush_or_wait(self) -> None:
        try:
            self.flush()
        except OperationalError as error:
            # Kept, and written with the next; the heartbeat decides when it has been too long.
            self._wait_for_registry(error)

    def _wait_for_registry(self, error: OperationalError) -> None:
        db.session.rollback()
        log.warning("run %s: registry does not answer: %s", self.run_id, error)
        if self.tenure.lost.wait(_FLUSH_SECONDS):
            raise LeaseLostError(f"run {self.run_id} is settled")

    def _note_contact(self, event: TaskEnded) -> None:
        """Remember whether the server answers; the others need not find out one by one."""
        self.at_work.discard(event.host)
        self.is_cut_off = self.is_cut_off or event.is_unreachable
        self.has_reached = self.has_reached or event.has_reached

    def _keep_lines(self, event: dict[str, Any]) -> None:
        lines = log_lines(event)
        self.lines.extend(lines)
        self.last_lines.extend(line for line in lines if line.strip())

    def _write_log(self, session: Session) -> None:
        for start in range(0, len(self.lines), _CHUNK_LINES):
            lines = self.lines[start : start + _CHUNK_LINES]
            session.add(
                LogChunk(
                    run_id=self.run_id,
                    first_line=self.next_line + start,
                    lines=len(lines),
                    data=pack(lines),
                )
            )

    def _on_task_started(self, event: TaskStarted) -> None:
        at = utc_now()
        if event.host in self.targets:
            target_id = self.targets[event.host]
            self.pending.append(
                lambda session: steps.start_step(session, target_id, event.task, at)
            )
        elif event.host in self.servers:
            self.pending.append(lambda session: _announce(session, self.run_id, event.task))
            if event.action in _WORKS_ON_SITES:
                server_id = self.servers[event.host]
                self.pending.append(
                    lambda session: steps.start_sites(session, self.run_id, server_id, at)
                )

    def _on_task_ended(self, event: TaskEnded) -> None:
        for slug, report in event.reports.items():
            if slug in self.targets:
                self._report(self.targets[slug], report)
        self._note_backups(event)
        self._note_gabungan(event)
        for slug, verdict in event.verdicts.items():
            if slug in self.targets:
                self._judge(self.targets[slug], verdict, verdict.get("seconds", event.seconds))
        if event.host in self.targets:
            target_id = self.targets[event.host]
            self.pending.append(lambda session: steps.end_step(session, target_id, event))
        if event.has_failed and event.host in self.servers:
            # Only the end of the play tells whether the playbook rescued it.
            self.failures[event.host] = event
        elif event.has_failed and event.host in self.targets:
            target_id = self.targets[event.host]
            unsure = self._is_unsure(event)
            self.pending.append(
                lambda session: steps.fail_site(session, target_id, event, unsure=unsure)
            )

    def _note_backups(self, event: TaskEnded) -> None:
        if event.told:
            told = event.told
            self.pending.append(lambda session: backup_notes.note(session, self.run_id, told))

    def _note_gabungan(self, event: TaskEnded) -> None:
        if event.gabungan is not None:
            told = event.gabungan
            self.pending.append(lambda session: merge_notes.note(session, self.run_id, told))

    def _on_play_ended(self, event: PlayEnded) -> None:
        for host in event.failed & self.failures.keys():
            server_id, failure = self.servers[host], self.failures[host]
            self._fail_server(server_id, failure)

    def _fail_server(self, server_id: int, failure: TaskEnded) -> None:
        unsure = self._is_unsure(failure)
        self.pending.append(
            lambda session: steps.fail_server(
                session, self.run_id, server_id, failure, unsure=unsure
            )
        )

    def _is_unsure(self, failure: TaskEnded) -> bool:
        """Tell whether what had begun may go on: the server stopped answering in the middle."""
        return failure.is_unreachable and self.has_reached

    def _report(self, target_id: int, report: SiteReport) -> None:
        self.pending.append(lambda session: steps.report_site(session, target_id, report))

    def _judge(self, target_id: int, verdict: outcomes.Verdict, seconds: float) -> None:
        self.pending.append(lambda session: steps.judge(session, target_id, verdict, seconds))


class Prober(Recorder):
    """Records the log of a probe and what it saw; the targets are settled by the caller.

    `verdicts` are by site; `seen` also holds the servers that answered.
    """

    def __init__(self, run: Run, tenure: Tenure) -> None:
        super().__init__(run, tenure)
        self.verdicts: dict[str, outcomes.Verdict] = {}
        self.seen: set[str] = set()

    def is_cancelled(self) -> bool:
        """Answer no: a probe is how a cancelled run finds its end."""
        return False

    def _on_task_started(self, event: TaskStarted) -> None:
        """Leave the steps as they are: a probe has none of its own."""

    def _on_task_ended(self, event: TaskEnded) -> None:
        if event.has_failed:
            self.failures[event.host] = event
            return
        self.verdicts |= event.verdicts
        self.seen |= {event.host, *event.verdicts}

    def _on_play_ended(self, event: PlayEnded) -> None:
        """Leave the targets as they are."""


def _lines_so_far(run_id: int) -> int:
    end = select(func.max(LogChunk.first_line + LogChunk.lines)).where(LogChunk.run_id == run_id)
    return db.session.scalar(end) or 0


def _announce(session: Session, run_id: int, task: str) -> None:
    session.get_one(Run, run_id).message = task
