"""Events of ansible-runner and what they mean to the registry."""

from typing import Any

import pytest

from siappakai.ansible.events import PlayEnded, TaskEnded, TaskStarted, log_lines, read_event


def event(kind: str, **data: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"host": "h", "task": "Tugas", **data}}


def ended(kind: str, **data: Any) -> TaskEnded:
    meaning = read_event(event(kind, **data))
    assert isinstance(meaning, TaskEnded)
    return meaning


def test_a_task_starts() -> None:
    assert read_event(event("runner_on_start")) == TaskStarted("h", "Tugas")


@pytest.mark.parametrize(
    ("kind", "outcome", "failed"),
    [
        ("runner_on_ok", "ok", False),
        ("runner_on_skipped", "skipped", False),
        ("runner_on_failed", "failed", True),
        ("runner_on_unreachable", "unreachable", True),
    ],
)
def test_a_task_ends(kind: str, outcome: str, *, failed: bool) -> None:
    meaning = ended(kind, duration=1.5, res={"changed": True, "msg": "Pesan."})
    assert (meaning.outcome, meaning.has_failed) == (outcome, failed)
    assert (meaning.seconds, meaning.changed) == (1.5, True)
    assert meaning.message == ("Pesan." if failed else "")


@pytest.mark.parametrize("kind", ["playbook_on_start", "runner_item_on_ok", "verbose", ""])
def test_the_rest_means_nothing(kind: str) -> None:
    assert read_event(event(kind)) is None


@pytest.mark.parametrize(
    ("kind", "action", "reached"),
    [
        ("runner_on_ok", "site_install", True),
        ("runner_on_failed", "ansible.builtin.copy", True),
        ("runner_on_ok", "ansible.builtin.include_role", False),
        ("runner_on_ok", "ansible.builtin.validate_argument_spec", False),
        ("runner_on_skipped", "site_install", False),
        ("runner_on_unreachable", "site_install", False),
    ],
)
def test_only_a_task_done_on_the_host_proves_that_it_answers(
    kind: str, action: str, *, reached: bool
) -> None:
    assert ended(kind, task_action=action).has_reached is reached


def test_an_ignored_failure_means_nothing() -> None:
    assert read_event(event("runner_on_failed", ignore_errors=True)) is None


def test_the_end_of_the_play_names_who_failed() -> None:
    stats = {"failures": {"a": 1}, "dark": {"b": 1}, "rescued": {"c": 1}, "ok": {"d": 2}}
    meaning = read_event({"event": "playbook_on_stats", "event_data": stats})
    assert meaning == PlayEnded(frozenset({"a", "b"}))


def test_a_module_tells_its_steps_error_and_verdicts() -> None:
    step = {"name": "load", "seconds": 1.0, "changed": True, "failed": True, "detail": "x" * 9999}
    meaning = ended(
        "runner_on_failed",
        res={
            "msg": "Salah.",
            "error": {"code": "c", "params": {}},
            "steps": [step, "not a step"],
            "sites": {"slug": {"healthy": False}},
        },
    )
    assert meaning.error == {"code": "c", "params": {}}
    assert [(one.name, one.failed, len(one.detail)) for one in meaning.steps] == [
        ("load", True, 2000)
    ]
    assert meaning.verdicts == {"slug": {"healthy": False}}


def test_a_loop_tells_what_failed_in_it() -> None:
    items = [{"failed": True, "msg": "yang ini"}, {"msg": "bukan"}]
    meaning = ended("runner_on_failed", res={"msg": "loop", "results": items, "stderr": "e"})
    assert meaning.message == "loop\ne\nyang ini"


def test_results_of_odd_shapes_do_no_harm() -> None:
    meaning = ended("runner_on_ok", res={"error": "text", "sites": ["a"], "steps": []}, duration="")
    assert (meaning.error, meaning.verdicts, meaning.steps) == ({}, {}, ())
    assert ended("runner_on_failed", res=None).message == ""


def test_lines_come_without_colours() -> None:
    assert log_lines({"stdout": "\x1b[0;31msatu\x1b[0m\r\ndua"}) == ["satu", "dua"]
    assert log_lines({}) == []
