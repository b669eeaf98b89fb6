"""A play's events become steps, states and log of its targets, for whoever holds the lease."""

from typing import Any

import pytest
from sqlalchemy import select

from siappakai.domain.states import RunState, SiteState, StepState
from siappakai.models import Run, Site, Step, Target, db
from siappakai.models.transactions import transaction
from siappakai.services import leases, outcomes, runs
from siappakai.services.leases import LeaseLostError, Tenure
from siappakai.services.recorder import Prober, Recorder
from tests.databases import every_database
from tests.factories import make_run, make_server, make_site

pytestmark = [every_database, pytest.mark.usefixtures("registry")]
MODULE = [
    {"name": "check", "seconds": 0.1, "changed": False, "detail": ""},
    {"name": "load", "seconds": 1.2, "changed": True, "detail": "cloned", "failed": True},
]


def watch(play: str = "install", sites: int = 2, kind: type[Recorder] = Recorder) -> Any:
    """A recorder of a claimed run over new sites of one server."""
    server = make_server()
    owners = [make_site(server=server) for _ in range(sites)] or [server]
    run = make_run(play, owners)
    lease = leases.claim(run.id)
    assert lease is not None
    with transaction() as session:
        outcomes.begin(session, leases.hold(session, lease))
    return kind(run, Tenure(lease))


def said(kind: str, host: str, task: str = "Install the site", **result: Any) -> dict[str, Any]:
    data = {"host": host, "task": task, "duration": 0.5, "res": result}
    name = f"runner_{kind}" if kind.startswith("item") else f"runner_on_{kind}"
    return {"event": name, "event_data": data, "stdout": f"{kind} {host}"}


def ended(**hosts: dict[str, int]) -> dict[str, Any]:
    return {"event": "playbook_on_stats", "event_data": hosts, "stdout": "PLAY RECAP"}


def targets(recorder: Recorder) -> list[Target]:
    recorder.flush()
    db.session.commit()
    run = db.session.get_one(Run, recorder.run_id, populate_existing=True)
    return run.targets


def steps(target: Target) -> list[tuple[str, StepState]]:
    found = db.session.scalars(select(Step).where(Step.target_id == target.id).order_by(Step.id))
    return [(step.name, step.state) for step in found]


def site_state(target: Target) -> SiteState:
    return db.session.get_one(Site, target.site_id, populate_existing=True).state


def test_a_coarse_module_tells_its_own_steps() -> None:
    recorder = watch()
    first, second = recorder.targets
    recorder.on_event(said("start", first))
    recorder.on_event(said("start", second))
    assert steps(targets(recorder)[0]) == [("Install the site", StepState.RUNNING)]
    recorder.on_event(said("ok", first, changed=True, steps=MODULE[:1]))
    recorder.on_event(
        said("failed", second, msg="Salah.", steps=MODULE, error={"code": "x", "params": {}})
    )
    one, other = targets(recorder)
    assert steps(one) == [("check", StepState.OK)]
    assert steps(other) == [("check", StepState.OK), ("load", StepState.FAILED)]
    assert (one.state, other.state) == (RunState.RUNNING, RunState.FAILED)
    assert (other.message, other.error["code"]) == ("Salah.", "x")
    assert site_state(other) is SiteState.BROKEN


def test_a_call_over_many_sites_reports_each_of_them() -> None:
    recorder = watch()
    first, second = recorder.targets
    server = next(iter(recorder.servers))
    begun = said("start", server, "Install the sites")
    begun["event_data"]["task_action"] = "site_install"
    recorder.on_event(begun)
    assert {target.state for target in targets(recorder)} == {RunState.RUNNING}
    failed = {"failed": True, "msg": "Salah.", "steps": MODULE, "error": {"code": "x"}}
    batch = {first: {"changed": True, "steps": MODULE[:1]}, second: failed}
    recorder.on_event(said("item_on_ok", server, "Install the sites", installed=batch))
    told_again = said("failed", second, msg="Salah.", steps=MODULE)
    told_again["event_data"]["task_action"] = "site_report"
    recorder.on_event(told_again)
    one, other = targets(recorder)
    assert steps(one) == [("check", StepState.OK)]
    assert steps(other) == [("check", StepState.OK), ("load", StepState.FAILED)]
    assert (one.state, other.state) == (RunState.RUNNING, RunState.FAILED)
    assert (other.message, other.error["code"]) == ("Salah.", "x")
    assert site_state(other) is SiteState.BROKEN


def test_a_task_without_steps_is_one_step_and_a_skipped_one_is_none() -> None:
    recorder = watch("server", sites=0)
    (host,) = recorder.targets
    for kind in ("ok", "skipped"):
        recorder.on_event(said("start", host, f"Tugas {kind}"))
        recorder.on_event(said(kind, host, f"Tugas {kind}", changed=True))
    (target,) = targets(recorder)
    assert steps(target) == [("Tugas ok", StepState.OK)]
    assert target.state is RunState.RUNNING


def test_the_verdicts_of_a_batch_end_every_site() -> None:
    recorder = watch(sites=3)
    healthy, ill, failed = recorder.targets
    recorder.on_event(said("start", failed))
    recorder.on_event(said("failed", failed, msg="Ditolak."))
    bad = {"name": "login", "ok": False, "detail": "500"}
    verdicts = {
        healthy: {"healthy": True, "state": "installed"},
        ill: {"healthy": False, "state": "installed", "checks": [bad]},
        failed: {"healthy": False, "state": "absent"},
    }
    server = next(iter(recorder.servers))
    recorder.on_event(said("failed", server, "Check the sites", msg="ill", sites=verdicts))
    recorder.on_event(ended(failures={server: 1, failed: 1}))
    one, two, three = targets(recorder)
    assert (one.state, site_state(one)) == (RunState.SUCCEEDED, SiteState.ACTIVE)
    assert (two.state, site_state(two)) == (RunState.FAILED, SiteState.BROKEN)
    assert two.message == "login: 500"
    assert two.error["code"] == "unhealthy"
    # Refused before anything was there: nothing is broken.
    assert (three.state, site_state(three)) == (RunState.FAILED, SiteState.PLANNED)
    assert three.message == "Ditolak."


def test_a_failure_of_the_server_fails_all_its_sites_unless_it_was_rescued() -> None:
    for rescued in (True, False):
        recorder = watch()
        server = next(iter(recorder.servers))
        recorder.on_event(said("start", server, "Seed"))
        recorder.on_event(said("failed", server, "Seed", msg="Tidak bisa."))
        recorder.on_event(ended(failures={} if rescued else {server: 1}))
        found = targets(recorder)
        state = RunState.QUEUED if rescued else RunState.FAILED
        assert {target.state for target in found} == {state}
        if not rescued:
            assert {target.message for target in found} == {"Seed: Tidak bisa."}
            assert {site_state(target) for target in found} == {SiteState.PLANNED}


def test_a_server_never_reached_fails_what_had_not_begun() -> None:
    recorder = watch()
    server = next(iter(recorder.servers))
    recorder.on_event(said("start", server, "Look"))
    assert not recorder.is_untouched
    recorder.on_event(said("unreachable", server, "Look", msg="no route"))
    assert recorder.is_untouched
    assert recorder.should_stop()
    assert recorder.reason.startswith("Server tidak dapat dihubungi.")
    assert recorder.reason.endswith("no route")
    assert recorder.cause["code"] == "unreachable"
    recorder.on_event(ended(dark={server: 1}))
    found = targets(recorder)
    assert {target.state for target in found} == {RunState.FAILED}
    assert {target.error["code"] for target in found} == {"unreachable"}
    assert all(target.message.startswith("Server tidak dapat dihubungi.") for target in found)


def test_a_server_gone_in_the_middle_leaves_the_end_unknown() -> None:
    recorder = watch()
    server = next(iter(recorder.servers))
    first, _ = recorder.targets
    recorder.on_event(said("start", server, "Look"))
    recorder.on_event(said("ok", server, "Look"))
    recorder.on_event(said("start", first))
    recorder.on_event(said("unreachable", first, msg="timed out"))
    assert recorder.should_stop()
    one, other = targets(recorder)
    assert (one.state, other.state) == (RunState.LOST, RunState.QUEUED)
    assert site_state(one) is SiteState.INSTALLING


def test_a_person_cancels_and_the_play_is_told_to_stop() -> None:
    recorder = watch()
    assert not recorder.should_stop()
    runs.request_cancel(recorder.run_id, by="orang")
    assert recorder.should_stop()


def test_the_log_goes_on_where_it_was() -> None:
    recorder = watch()
    for number in range(900):
        recorder.on_event({"event": "verbose", "stdout": f"\x1b[0;32mbaris {number}\x1b[0m"})
    recorder.flush()
    again = Recorder(runs.get_run(recorder.run_id), recorder.tenure)
    again.on_event({"event": "verbose", "stdout": "lagi\r\ndan lagi"})
    again.finish()
    page = runs.log_page(recorder.run_id, 898, 10)
    assert page.lines == ["baris 898", "baris 899", "lagi", "dan lagi"]
    assert page.total == 902


def test_whoever_lost_the_run_writes_nothing() -> None:
    recorder = watch()
    first = next(iter(recorder.targets))
    with transaction() as session:
        session.get_one(Run, recorder.run_id).token += 1
    recorder.on_event(said("start", first))
    with pytest.raises(LeaseLostError):
        recorder.flush()
    db.session.commit()
    assert db.session.scalar(select(Step)) is None


def test_a_probe_records_what_it_sees_and_changes_no_target() -> None:
    recorder = watch(kind=Prober)
    first, second = recorder.targets
    server = next(iter(recorder.servers))
    recorder.on_event(said("start", server, "Check the sites"))
    recorder.on_event(said("ok", server, "Check the sites", sites={first: {"healthy": True}}))
    recorder.on_event(ended())
    assert recorder.verdicts == {first: {"healthy": True}}
    assert recorder.seen == {server, first}
    assert second not in recorder.seen
    assert {target.state for target in targets(recorder)} == {RunState.QUEUED}
    runs.request_cancel(recorder.run_id, by="orang")
    assert not recorder.should_stop()
