"""The states of runs, targets and steps, and which of them are final."""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """State of a run or of one target in it."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


class StepState(StrEnum):
    """State of one named stage of a target."""

    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class ServerState(StrEnum):
    """How far a server has come; `forgotten` stays only for the history of its runs."""

    ENROLLED = "enrolled"
    READY = "ready"
    FAILED = "failed"
    FORGOTTEN = "forgotten"


class SiteState(StrEnum):
    """What is known of a site: `planned` has nothing on its server yet."""

    PLANNED = "planned"
    INSTALLING = "installing"
    ACTIVE = "active"
    BROKEN = "broken"
    REMOVED = "removed"


TERMINAL = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})
# A lost run has ended for the worker, yet holds its locks until its targets were probed.
SETTLED = TERMINAL | {RunState.LOST}
# Sites of which nothing is, or is left, on their server.
UNBUILT = frozenset({SiteState.PLANNED, SiteState.REMOVED})
RETRYABLE = frozenset({RunState.FAILED, RunState.CANCELLED, RunState.LOST})


def overall(states: list[RunState]) -> RunState:
    """Return the state of a run whose targets ended in `states`; the worst one wins."""
    for state in (RunState.LOST, RunState.FAILED, RunState.CANCELLED):
        if state in states:
            return state
    return RunState.SUCCEEDED
