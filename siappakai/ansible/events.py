"""From ansible-runner's events to what the registry stores; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ENDED = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_on_skipped": "skipped",
}
# One call of a loop; the task's own end comes later.
_ITEM_ENDED = {"runner_item_on_ok": "ok", "runner_item_on_failed": "failed"}
# Tells people at a terminal, per site, what the call over all sites has told already.
_REPORT_ACTION = "site_report"
_MESSAGE_LIMIT = 2000
# Actions that Ansible does itself, without asking the host: they say nothing of its being there.
_OWN_ACTIONS = frozenset(
    {
        "assert",
        "debug",
        "fail",
        "import_role",
        "include_role",
        "include_tasks",
        "meta",
        "set_fact",
        "validate_argument_spec",
    }
)


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """A host began a task; `action` is the module that does it."""

    host: str
    task: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class StepResult:
    """One named stage that a module reports about itself."""

    name: str
    seconds: float
    changed: bool
    failed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What a call over many sites did with one of them; `found` is what a look brought."""

    failed: bool
    message: str
    error: dict[str, Any]
    steps: tuple[StepResult, ...]
    found: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """A host ended a task. `outcome` is ok, skipped, failed or unreachable.

    `steps` are the stages a coarse module reports. By slug, `verdicts` is what a batch health
    check says of each site, and `reports` what a call over many sites did with each; by name,
    `told` is what is said of backups, `gabungan` what of the gabungan. `found` is what a look at
    one site brought. `error` is a module's machine-readable cause. `has_reached` tells whether
    the host itself answered.
    """

    host: str
    task: str
    outcome: str
    seconds: float
    changed: bool
    message: str
    error: dict[str, Any] = field(default_factory=dict)
    steps: tuple[StepResult, ...] = ()
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    reports: dict[str, SiteReport] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    gabungan: dict[str, Any] | None = None
    has_reached: bool = True

    @property
    def has_failed(self) -> bool:
        return self.outcome in {"failed", "unreachable"}

    @property
    def is_unreachable(self) -> bool:
        return self.outcome == "unreachable"


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """The playbook came to its end by itself. `failed` are the hosts it gave up on.

    Only this tells a failure from one that the playbook rescued.
    """

    failed: frozenset[str]


def read_event(event: dict[str, Any]) -> TaskStarted | TaskEnded | PlayEnded | None:
    """Return what an event means for a host, or None when it means nothing to the registry."""
    kind, data = event.get("event", ""), event.get("event_data", {})
    if kind == "playbook_on_stats":
        return PlayEnded(frozenset([*data.get("failures", {}), *data.get("dark", {})]))
    if _action(data) == _REPORT_ACTION:
        return None
    if kind == "runner_on_start":
        return TaskStarted(data["host"], data.get("task", ""), _action(data))
    if kind in _ITEM_ENDED:
        return _item_ended(data)
    if kind not in _ENDED or (kind == "runner_on_failed" and data.get("ignore_errors")):
        return None
    return _ended(_ENDED[kind], data)


def log_lines(event: dict[str, Any]) -> list[str]:
    """Return the console lines of an event, without colour codes."""
    text = _ANSI.sub("", event.get("stdout") or "")
    return text.replace("\r\n", "\n").split("\n") if text else []


def _ended(outcome: str, data: dict[str, Any]) -> TaskEnded:
    result = data.get("res") or {}
    return TaskEnded(
        host=data["host"],
        task=data.get("task", ""),
        outcome=outcome,
        seconds=float(data.get("duration") or 0.0),
        changed=bool(result.get("changed")),
        message=_message(result) if outcome in {"failed", "unreachable"} else "",
        error=_mapping(result, "error"),
        steps=_steps(result),
        verdicts=_mapping(result, "sites"),
        reports={slug: _report(report) for slug, report in _reports(result).items()},
        found=_mapping(result, "found"),
        told=_mapping(result, "told"),
        gabungan=result.get("gabungan_told"),
        has_reached=outcome in {"ok", "failed"} and _action(data) not in _OWN_ACTIONS,
    )


def _reports(result: dict[str, Any]) -> dict[str, Any]:
    return _mapping(result, "installed") or _mapping(result, "reported")


def _item_ended(data: dict[str, Any]) -> TaskEnded | None:
    """Return one call of a loop, if it reports on sites; failures come with the task's end."""
    ended = _ended("ok", data)
    return ended if ended.reports or ended.told else None


def _report(report: dict[str, Any]) -> SiteReport:
    return SiteReport(
        failed=bool(report.get("failed")),
        message=_message(report) if report.get("failed") else "",
        error=_mapping(report, "error"),
        steps=_steps(report),
        found=_mapping(report, "found"),
    )


def _steps(result: dict[str, Any]) -> tuple[StepResult, ...]:
    return tuple(_step(step) for step in result.get("steps", []) if isinstance(step, dict))


def _action(data: dict[str, Any]) -> str:
    return str(data.get("task_action", "")).rpartition(".")[2]


def _mapping(result: dict[str, Any], key: str) -> dict[str, Any]:
    value = result.get(key)
    return value if isinstance(value, dict) else {}


def _message(result: dict[str, Any]) -> str:
    parts = [str(result.get(key, "")).strip() for key in ("msg", "module_stderr", "stderr")]
    items = [item for item in result.get("results", []) if isinstance(item, dict)]
    parts += [str(item.get("msg", "")).strip() for item in items if item.get("failed")]
    return _ANSI.sub("", "\n".join(part for part in parts if part))[:_MESSAGE_LIMIT]


def _step(step: dict[str, Any]) -> StepResult:
    return StepResult(
        name=str(step.get("name", "")),
        seconds=float(step.get("seconds") or 0.0),
        changed=bool(step.get("changed")),
        failed=bool(step.get("failed")),
        detail=str(step.get("detail", ""))[:_MESSAGE_LIMIT],
    )
