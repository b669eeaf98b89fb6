"""Runs that end before Ansible begins, and what is swept up after workers that died."""

import os
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from siappakai.ansible.processes import MARKER, marked
from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.models import Run, RunLock, Server, Site, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import execution, hosts, leases, outcomes
from siappakai.services.recorder import Recorder
from tests.databases import every_database
from tests.factories import make_release, make_run, make_server, make_site, make_village

pytestmark = [every_database, pytest.mark.usefixtures("registry")]


def fresh(run: Run) -> Run:
    db.session.commit()
    return db.session.get_one(Run, run.id, populate_existing=True)


@pytest.fixture
def workspace() -> Path:
    """The workspace of a play of run 1 under token 5."""
    folder = current_settings().run_dir / "plays/1-5"
    folder.mkdir(parents=True)
    (folder / "identity").write_text("kunci")
    return folder


@pytest.fixture
def orphan(workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of that play in a session of its own, as Ansible's workers are."""
    variables = {MARKER: str(workspace), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(["sleep", "600"], env=variables, start_new_session=True)
    while not marked(workspace):
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()


def test_a_wrong_key_ring_fails_the_run_and_breaks_no_site() -> None:
    site = make_site(release=make_release(), state=SiteState.PLANNED)
    run = make_run("install", [site])
    key = current_settings().credentials_file
    key.unlink()
    execution.execute(run.id)
    ended = fresh(run)
    assert ended.state is RunState.FAILED
    assert ended.targets[0].message
    assert ended.lease_until is None
    assert db.session.get_one(Site, site.id, populate_existing=True).state is SiteState.PLANNED
    assert db.session.scalar(select(RunLock)) is None


def test_a_site_without_release_is_told_by_name() -> None:
    site = make_site()
    run = make_run("health", [site])
    execution.execute(run.id)
    assert site.domain in fresh(run).targets[0].message
    assert fresh(run).state is RunState.FAILED


def test_what_is_wrong_with_one_site_fails_that_one_alone() -> None:
    release = make_release()
    good, bare, moved = (make_site(make_village(), release=release) for _ in range(3))
    garbled = make_site(make_village(), release=release, app_key_sealed="rusak")
    run = make_run("health", [good, bare, moved, garbled])
    elsewhere = make_server("lain").id
    with transaction() as session:
        session.get_one(Site, moved.id).server_id = elsewhere
        unreleased = session.get_one(Site, bare.id)
        unreleased.release_id = unreleased.wanted_release_id = None
    cast = hosts.hosts_of(fresh(run), fresh(run).targets, is_shipped=False)
    assert [played.server.id for played in cast.servers] == [good.server_id]
    assert [host.site.code for host in cast.servers[0].host.sites] == [good.village.code]
    told = [cast.unfit.get(target.id, "") for target in fresh(run).targets]
    assert told[0] == ""
    assert "belum punya rilis" in told[1]
    assert "server lain" in told[2]
    assert "kunci" in told[3]


def test_a_run_of_unfit_sites_alone_ends_without_a_play() -> None:
    site = make_site()
    run = make_run("remove", [site])
    execution.execute(run.id)
    ended = fresh(run)
    assert ended.state is RunState.FAILED
    assert "belum punya rilis" in ended.targets[0].message
    assert ended.message == ""
    assert db.session.scalar(select(RunLock)) is None


def test_a_lost_run_is_not_ended_by_a_site_that_cannot_be_looked_at() -> None:
    site = make_site(release=make_release())
    run = make_run("install", [site])
    assert leases.claim(run.id) is not None
    with transaction() as session:
        session.get_one(Run, run.id).targets[0].state = RunState.RUNNING
        session.get_one(Site, site.id).app_key_sealed = "rusak"
    expire(run)
    leases.expired()
    execution.execute(run.id)
    assert fresh(run).state is RunState.LOST
    assert "kunci" in fresh(run).message


def test_an_error_of_ours_while_settling_keeps_the_locks_and_says_why() -> None:
    site = make_site(release=make_release())
    run = make_run("install", [site])
    assert leases.claim(run.id) is not None
    expire(run)
    leases.expired()
    current_settings().credentials_file.unlink()
    execution.execute(run.id)
    kept = fresh(run)
    assert kept.state is RunState.LOST
    assert "belum diketahui" in kept.message
    assert db.session.scalar(select(RunLock.run_id)) == run.id
    # The next tick tries again.
    assert leases.expired() == [run.id]


def test_executing_a_run_that_needs_nothing_does_nothing() -> None:
    run = make_run(state=RunState.SUCCEEDED)
    execution.execute(run.id)
    execution.execute(4711)
    assert fresh(run).state is RunState.SUCCEEDED


def test_a_tick_without_redis_marks_the_lost_and_raises_nothing() -> None:
    lost, waiting = make_run(), make_run()
    assert leases.claim(lost.id) is not None
    expire(lost)
    execution.tick()
    execution.tick()
    assert fresh(lost).state is RunState.LOST
    assert fresh(waiting).state is RunState.QUEUED


def test_what_a_dead_worker_left_is_swept(workspace: Path, orphan: subprocess.Popen[bytes]) -> None:
    make_run("server", [make_server(state=ServerState.ENROLLED)], state=RunState.LOST, token=5)
    execution.tick()
    assert orphan.wait(5) == -9
    assert not workspace.exists()


def test_a_play_at_work_is_left_alone(workspace: Path, orphan: subprocess.Popen[bytes]) -> None:
    soon = utc_now() + timedelta(seconds=60)
    make_run(
        "server",
        [db.session.scalar(select(Server)) or make_server()],
        state=RunState.RUNNING,
        token=5,
        lease_until=soon,
    )
    foreign = workspace.with_name("demo-7")
    foreign.mkdir()
    execution.tick()
    assert orphan.poll() is None
    assert workspace.exists()
    assert foreign.exists()


def expire(run: Run) -> None:
    with transaction() as session:
        session.get_one(Run, run.id).lease_until = utc_now() - timedelta(seconds=1)


def test_a_site_removed_meanwhile_is_not_brought_back() -> None:
    site = make_site(release=make_release())
    late = make_run("install", [site])
    with transaction() as session:
        outcomes.mark_removed(session.get_one(Site, site.id))
    execution.execute(late.id)
    assert fresh(late).state is RunState.FAILED
    assert "sudah dihapus" in fresh(late).targets[0].message
    assert db.session.get_one(Site, site.id, populate_existing=True).state is SiteState.REMOVED


def test_an_install_at_another_release_than_the_one_before_it_is_refused_in_its_turn() -> None:
    site = make_site()
    first = make_run("install", [site], options={"release_id": make_release("v2409.0.0").id})
    second = make_run("install", [site], options={"release_id": make_release("v2410.0.0").id})
    with transaction() as session:
        outcomes.conclude(session, session.get_one(Run, first.id).targets[0], RunState.SUCCEEDED)
    served = db.session.get_one(Site, site.id, populate_existing=True).release
    assert served is not None
    assert served.version == "v2409.0.0"
    execution.execute(second.id)
    assert "memakai rilis lain" in fresh(second).targets[0].message
    assert db.session.get_one(Site, site.id, populate_existing=True).state is SiteState.ACTIVE


def test_an_error_of_ours_once_ansible_was_started_leaves_the_sites_to_be_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = make_run("install", [make_site(release=make_release(), state=SiteState.PLANNED)])

    def break_down(_request: object, watcher: Recorder) -> None:
        watcher.on_start(os.getpid(), 1)
        raise RuntimeError("disk full")

    monkeypatch.setattr(execution, "play", break_down)
    monkeypatch.setattr(hosts.releases, "release_vars", hosts.releases.unshipped_vars)
    execution.execute(run.id)
    kept = fresh(run)
    assert kept.state is RunState.LOST
    assert "disk full" in kept.message
    assert db.session.scalar(select(RunLock.run_id)) == run.id
