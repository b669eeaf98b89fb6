"""The run engine at work and under attack: whatever is killed, every run comes to an end."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import select, text

from siappakai.domain.states import RunState, SiteState
from siappakai.models import LogChunk, Run, Site, Step, Target, db
from siappakai.models.transactions import transaction
from siappakai.services import retries, runs, settings
from tests import factories
from tests.engine import INSTALLED_SECONDS, PARTS, Engine, set_parallelism, states_of

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(900),
]

log = logging.getLogger(__name__)


def begun(engine: Engine, count: int = 3) -> tuple[Run, list[Site]]:
    """Start the engine; return an install that is under way, and its sites."""
    engine.start(*PARTS)
    planned = engine.villages(count)
    run = engine.install(planned)
    engine.at_work(planned[0])
    return run, planned


def everything_of(run: Run) -> str:
    """Return all that the registry holds of a run."""
    db.session.commit()
    targets = select(Target.id).where(Target.run_id == run.id)
    queries = (
        select(Run.__table__).where(Run.id == run.id),
        select(Target.__table__).where(Target.run_id == run.id),
        select(Step.__table__).where(Step.target_id.in_(targets)),
        select(LogChunk.__table__).where(LogChunk.run_id == run.id),
    )
    return repr([db.session.execute(query).all() for query in queries])


def fence_of(engine: Engine, site: Site) -> int:
    """Return the newest run token that has worked on a site."""
    lock = Path(engine.fleet.layout.lock_dir, f"opensid-{site.village.code}")
    return int(lock.read_text().split()[0])


def lives(pid: int) -> bool:
    """Tell whether a process has not ended; one that nobody has buried yet has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_three_villages_are_installed_through_the_queue(engine: Engine) -> None:
    run, planned = begun(engine)
    ended = engine.settle(run, INSTALLED_SECONDS)
    assert ended.state is RunState.SUCCEEDED, engine.told(run)
    engine.complete(ended, planned)
    steps = [step.name for step in runs.steps_of(ended.targets[0].id)]
    assert steps[0] == "check"
    assert steps[-1] == "health"
    assert ended.message == ""


@pytest.mark.parametrize("victim", ["horse", "worker and horse", "ansible-playbook"])
def test_a_killed_play_settles_and_a_retry_completes(engine: Engine, victim: str) -> None:
    run, planned = begun(engine)
    if victim == "ansible-playbook":
        engine.until(lambda: engine.fresh(run).pid is not None)
        engine.kill(engine.fresh(run).pid or 0)
    else:
        horse = engine.horse("worker-1")
        if victim == "worker and horse":
            engine.kill(engine.pid("worker-1"))
        engine.kill(horse)
    began = time.monotonic()
    ended = engine.settle(run)
    log.info("%s: %s after %.1f s", victim, ended.state, time.monotonic() - began)
    engine.complete(ended, planned)


@pytest.mark.parametrize("victim", ["clock", "clock-worker", "panel", "redis"])
def test_a_run_outlives_what_is_not_its_worker(engine: Engine, victim: str) -> None:
    engine.start("panel")
    run, planned = begun(engine)
    engine.kill(engine.pid(victim))
    ended = engine.settle(run, INSTALLED_SECONDS)
    assert ended.state is RunState.SUCCEEDED, engine.told(run)
    # What was killed serves again: another village goes the whole way.
    more = engine.villages(1)
    again = engine.settle(engine.install(more), INSTALLED_SECONDS)
    engine.complete(again, [*planned, *more])


def test_a_worker_asleep_past_its_lease_works_on_nothing_twice(engine: Engine) -> None:
    run, planned = begun(engine)
    horse = engine.horse("worker-1")
    engine.kill(horse, signal.SIGSTOP)
    engine.kill(engine.pid("worker-1"), signal.SIGSTOP)
    engine.start("worker-2")
    ended = engine.settle(run)
    engine.complete(ended, planned)
    before = everything_of(run)
    fences = [fence_of(engine, site) for site in planned]
    engine.kill(horse, signal.SIGCONT)
    engine.until(lambda: not lives(horse))
    assert everything_of(run) == before
    assert [fence_of(engine, site) for site in planned] == fences
    assert all(engine.answers(site) for site in planned)


def test_two_clocks_at_once_do_no_harm(engine: Engine) -> None:
    run, planned = begun(engine)
    first = dict(engine.parts)
    engine.start("clock", "clock-worker")
    engine.parts |= {f"{name}-too": first[name] for name in ("clock", "clock-worker")}
    engine.kill(engine.horse("worker-1"))
    ended = engine.settle(run)
    log = "\n".join(runs.log_page(run.id, lines=5000).lines)
    assert log.count("PLAY [Check the sites]") <= 1
    engine.complete(ended, planned)


def test_a_cancelled_run_leaves_no_process_and_knows_its_sites(engine: Engine) -> None:
    run, planned = begun(engine)
    # Asleep, a module of root's outlives the play for certain: the probe must end it.
    engine.until(lambda: bool(engine.modules(run)))
    for pid in engine.modules(run):
        engine.kill(pid, signal.SIGSTOP)
    runs.request_cancel(run.id, by=factories.BY)
    ended = engine.settle(run)
    assert ended.state is RunState.CANCELLED, engine.told(run)
    assert set(states_of(run).values()) <= {RunState.CANCELLED, RunState.SUCCEEDED}
    seen = [target.result.get("state") for target in ended.targets]
    assert set(seen) <= {"absent", "partial", "installed"}
    for target, state in zip(ended.targets, seen, strict=True):
        site = db.session.get_one(Site, target.site_id, populate_existing=True)
        wanted = SiteState.PLANNED if state == "absent" else SiteState.BROKEN
        assert site.state is wanted
    engine.complete(ended, planned)


def test_one_failing_village_does_not_stop_the_others(engine: Engine) -> None:
    engine.start(*PARTS)
    planned = engine.villages(3)
    foreign = f"{engine.fleet.layout.prefix}_opensid_{planned[1].village.code}"
    engine.fleet.query(f"CREATE DATABASE {foreign}")
    ended = engine.settle(engine.install(planned), INSTALLED_SECONDS)
    assert [target.state for target in ended.targets] == [
        RunState.SUCCEEDED,
        RunState.FAILED,
        RunState.SUCCEEDED,
    ], engine.told(ended)
    assert ended.targets[1].error["code"] == "database_exists"
    assert foreign in ended.targets[1].message
    engine.fleet.query(f"DROP DATABASE {foreign}")
    (retried,) = retries.retry_failed(ended.id, by=factories.BY)
    assert [target.site_id for target in retried.targets] == [planned[1].id]
    engine.complete(engine.settle(retried, INSTALLED_SECONDS), planned)


def test_drained_a_run_waits_and_then_starts_by_itself(engine: Engine) -> None:
    engine.start(*PARTS)
    planned = engine.villages(1)
    settings.set_drain(drain=True, by=factories.BY)
    run = engine.install(planned)
    engine.until(lambda: "drain" in engine.fresh(run).message)
    assert engine.fresh(run).state is RunState.QUEUED
    settings.set_drain(drain=False, by=factories.BY)
    engine.complete(engine.settle(run, INSTALLED_SECONDS), planned)


def test_a_second_run_waits_for_its_turn_on_the_server(engine: Engine) -> None:
    set_parallelism(engine.server, 1)
    engine.start(*PARTS, "worker-2")
    one, other = engine.villages(1), engine.villages(1)
    first = engine.install(one)
    engine.until(lambda: engine.fresh(first).state is RunState.RUNNING)
    second = engine.install(other)
    engine.until(lambda: engine.fresh(second).message.startswith(f"Menunggu pekerjaan {first.id}"))
    engine.complete(engine.settle(first, INSTALLED_SECONDS), one)
    engine.complete(engine.settle(second, INSTALLED_SECONDS), other)
    began, ended = engine.fresh(second).started_at, engine.fresh(first).ended_at
    assert began is not None
    assert ended is not None
    assert began >= ended


def test_a_request_without_redis_waits_for_it(engine: Engine) -> None:
    planned = engine.villages(1)
    run = engine.install(planned)
    assert run.state is RunState.QUEUED
    engine.start(*PARTS)
    engine.complete(engine.settle(run, INSTALLED_SECONDS), planned)


def test_an_error_in_the_variables_fails_with_its_message(engine: Engine) -> None:
    engine.start(*PARTS)
    planned = engine.villages(1)
    with transaction():
        engine.server.connection = "ssh"
        engine.server.host_key = "bukan kunci"
        db.session.execute(text("UPDATE servers SET port = 'bukan angka'"))
    ended = engine.settle(engine.install(planned))
    assert ended.state is RunState.FAILED
    assert "bukan angka" in ended.targets[0].message


def test_a_server_that_never_answered_fails_the_run_and_breaks_nothing(engine: Engine) -> None:
    engine.start(*PARTS)
    planned = engine.villages(1)
    with transaction():
        engine.server.connection = "ssh"
        engine.server.host_key = "bukan kunci"
        engine.server.address = "192.0.2.1"
    ended = engine.settle(engine.install(planned), 180)
    assert ended.state is RunState.FAILED, engine.told(ended)
    assert ended.targets[0].message.startswith("Server tidak dapat dihubungi.")
    assert ended.targets[0].error["code"] == "unreachable"
    db.session.refresh(planned[0])
    assert planned[0].state is SiteState.PLANNED


@pytest.mark.parametrize(
    ("seed", "villages", "kills"),
    [(2, 3, 2), pytest.param(20, 10, 20, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])],
)
def test_a_storm_of_kills_ends_with_all_sites_healthy(
    engine: Engine, seed: int, villages: int, kills: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same storm at each run
    run, planned = begun(engine, villages)
    for _ in range(kills):
        engine.until(lambda: True)
        victim = chance.choice(["horse", "worker-1", "clock", "clock-worker", "redis", "ansible"])
        strike(engine, engine.fresh(run), victim)
        time.sleep(chance.uniform(0.2, 3.0))
        if engine.fresh(run).state in {RunState.FAILED, RunState.CANCELLED}:
            (run,) = retries.retry_failed(run.id, by=factories.BY)
    engine.complete(engine.settle(run, 300), planned)


def strike(engine: Engine, run: Run, victim: str) -> None:
    """Kill one part of the engine, if it runs just now."""
    part = "worker-1" if victim in {"horse", "ansible"} else victim
    process = engine.parts[part].process
    if process is None:
        return
    if victim == "ansible":
        engine.kill(run.pid or process.pid)
    elif victim == "horse":
        for pid in engine.below(process.pid)[:1]:
            engine.kill(pid)
    else:
        engine.kill(process.pid)
