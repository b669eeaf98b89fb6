"""Runs: looking, following, cancelling, repeating."""

import threading
import time

import pytest
from flask import Flask

from siappakai.cli import following
from siappakai.cli.following import EXIT_CODES
from siappakai.domain.codes import dotted
from siappakai.domain.states import RunState
from siappakai.models import LogChunk, Run, Server, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import leases, outcomes, runs
from tests.factories import make_release, make_run, make_site, make_village
from tests.unit.cli.conftest import Call


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "_POLL_SECONDS", 0.05)


def play_soon(app: Flask, run_id: int, ends: RunState) -> threading.Thread:
    """Claim a run soon and bring its targets to an end, as a worker does."""

    def work() -> None:
        with app.app_context():
            while (lease := leases.claim(run_id)) is None:
                time.sleep(0.05)
            time.sleep(0.5)
            with transaction() as session:
                run = leases.hold(session, lease)
                for target in run.targets:
                    outcomes.conclude(session, target, ends, f"berakhir {ends.value}")
                run.state, run.ended_at = ends, utc_now()
                leases.release_locks(session, run)
            db.session.remove()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_runs_are_listed_and_shown_with_targets(siappakai: Call):
    run = make_run(targets=[make_site(), make_site(make_village())], state=RunState.FAILED)
    (listed,) = siappakai("run", "list", "--state", "failed", "--json").json["items"]
    assert (listed["id"], listed["progress"]) == (run.id, {"failed": 2})
    assert siappakai("run", "list", "--state", "running", "--json").json["items"] == []
    for name, value, other in (
        ("--play", "install", "health"),
        ("--server", db.session.get_one(Server, run.targets[0].server_id).name, "tiada"),
        ("--by", run.requested_by, "tiada"),
    ):
        assert siappakai("run", "list", name, value, "--json").json["items"] == [listed]
        assert siappakai("run", "list", name, other, "--json").json["items"] == []
    shown = siappakai("run", "show", str(run.id), "--json").json
    assert shown["run"] == listed
    assert [target["state"] for target in shown["targets"]["items"]] == ["failed", "failed"]
    assert siappakai("run", "show", str(run.id)).out.count("failed") >= 2
    assert siappakai("run", "show", "99").exit_code == 3


@pytest.mark.parametrize("ends", [RunState.SUCCEEDED, RunState.FAILED])
def test_following_ends_with_the_run(siappakai: Call, registry: Flask, ends: RunState):
    site = make_site()
    run = make_run(targets=[site])
    thread = play_soon(registry, run.id, ends)
    said = siappakai("run", "follow", str(run.id), "--json")
    thread.join()
    assert said.exit_code == EXIT_CODES[ends]
    assert said.json["state"] == ends.value
    states = [line.split("\t")[1] for line in said.err.splitlines() if site.domain not in line]
    assert states[-2:] == ["running", ends.value]
    assert f"{site.village.name} · {site.domain}\t{ends.value}\tberakhir {ends.value}" in said.err


def test_a_request_can_be_followed_at_once(siappakai: Call, registry: Flask):
    site = make_site(release=make_release())
    thread = play_soon(registry, 1, RunState.CANCELLED)
    said = siappakai("site", "health", site.village.code, "--follow", "--json")
    thread.join()
    assert said.exit_code == EXIT_CODES[RunState.CANCELLED]
    assert [run["state"] for run in said.json["items"]] == ["cancelled"]


def test_following_stops_at_its_timeout(siappakai: Call):
    run = make_run()
    said = siappakai("run", "follow", str(run.id), "--timeout", "0", "--json")
    assert (said.exit_code, said.json["state"]) == (13, "queued")


def test_every_state_has_an_exit_code_of_its_meaning():
    assert set(EXIT_CODES) == set(RunState)
    assert [state for state, code in EXIT_CODES.items() if code == 0] == [RunState.SUCCEEDED]


def test_a_queued_run_is_cancelled_once(siappakai: Call):
    run = make_run()
    assert siappakai("run", "cancel", str(run.id), "--json").json["state"] == "cancelled"
    assert siappakai("run", "cancel", str(run.id)).exit_code == 4


def test_only_what_failed_is_repeated(siappakai: Call):
    failed = [make_site(make_village(), wanted_release_id=make_release().id) for _ in range(2)]
    run = make_run(targets=failed, state=RunState.FAILED)
    with transaction():
        run.targets[0].state = RunState.SUCCEEDED
    (again,) = siappakai("run", "retry", str(run.id), "--json").json["items"]
    assert (again["retry_of"], again["targets"]) == (run.id, 1)
    done = make_run(targets=[make_site(make_village())], state=RunState.SUCCEEDED)
    assert siappakai("run", "retry", str(done.id)).exit_code == 4


def test_a_removal_is_not_repeated_but_asked_for_anew(siappakai: Call):
    site = make_site(release=make_release())
    run = make_run("remove", [site], state=RunState.FAILED)
    said = siappakai("run", "retry", str(run.id), "--json")
    assert said.exit_code == 5
    assert f"siappakai site remove {dotted(site.village.code)}" in said.error["todo"]


def test_the_log_is_printed_as_it_was_written(siappakai: Call):
    run: Run = make_run()
    with transaction() as session:
        data = runs.pack([f"TASK [{number}]" for number in range(5)])
        session.add(LogChunk(run_id=run.id, first_line=0, lines=5, data=data))
    said = siappakai("run", "log", str(run.id), "--first-line", "3")
    assert said.out == "TASK [3]\nTASK [4]\n"
    page = siappakai("run", "log", str(run.id), "--lines", "2", "--json").json
    assert page == {"first_line": 0, "total": 5, "lines": ["TASK [0]", "TASK [1]"]}
    assert siappakai("run", "log", "99").exit_code == 3


@pytest.mark.parametrize("command", ["show", "log", "follow", "cancel", "retry"])
def test_a_number_beyond_all_numbers_is_refused(siappakai: Call, command: str):
    assert siappakai("run", command, "9" * 25).exit_code == 2
