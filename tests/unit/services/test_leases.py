"""Claims by compare-and-set, exclusive locks, limits, and leases that expire."""

import time
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from siappakai.domain.states import RunState
from siappakai.models import Run, RunLock, db, registry_now, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import leases, runs, settings
from siappakai.services.leases import LeaseLostError, Tenure
from tests.databases import every_database
from tests.factories import BY, make_run, make_server, make_site

pytestmark = [every_database, pytest.mark.usefixtures("registry")]


def keys() -> set[str]:
    db.session.commit()
    return set(db.session.scalars(select(RunLock.key)))


def fresh(run: Run) -> Run:
    db.session.commit()
    return db.session.get_one(Run, run.id, populate_existing=True)


def expire(run: Run) -> None:
    with transaction() as session:
        session.get_one(Run, run.id).lease_until = utc_now() - timedelta(seconds=1)


def test_a_queued_run_is_claimed_once_with_its_locks() -> None:
    site = make_site()
    run = make_run("install", [site])
    lease = leases.claim(run.id)
    assert lease is not None
    assert leases.claim(run.id) is None
    assert keys() == {f"site:{site.id}"}
    claimed = fresh(run)
    assert claimed.state is RunState.RUNNING
    assert claimed.token == lease.token > 0
    assert claimed.worker_host
    assert claimed.lease_until is not None
    assert claimed.lease_until > utc_now()


def test_a_server_run_takes_the_server_and_all_its_sites() -> None:
    server = make_server()
    site = make_site(server=server)
    assert leases.claim(make_run("server", [server]).id) is not None
    assert keys() == {f"server:{server.id}", f"site:{site.id}"}


@pytest.mark.parametrize(("first", "second"), [("install", "server"), ("server", "install")])
def test_who_finds_a_lock_taken_waits_and_says_for_whom(first: str, second: str) -> None:
    server = make_server(parallelism=9)
    owners = {"install": make_site(server=server), "server": server}
    holder = make_run(first, [owners[first]])
    waiting = make_run(second, [owners[second]])
    assert leases.claim(holder.id) is not None
    assert leases.claim(waiting.id) is None
    assert fresh(waiting).state is RunState.QUEUED
    assert runs.waiting_for(fresh(waiting)) == f"Menunggu pekerjaan {holder.id}."
    assert {lock.run_id for lock in db.session.scalars(select(RunLock))} == {holder.id}


def test_runs_over_other_sites_of_a_server_go_side_by_side_up_to_its_limit() -> None:
    server = make_server(parallelism=2)
    planned = [make_run("install", [make_site(server=server)]) for _ in range(3)]
    assert leases.claim(planned[0].id) is not None
    assert leases.claim(planned[1].id) is not None
    assert leases.claim(planned[2].id) is None
    assert fresh(planned[2]).message.startswith(f"Menunggu pekerjaan {planned[0].id}: batas 2")


def test_the_global_limit_counts_all_servers() -> None:
    settings.put(settings.PARALLELISM, 2, by=BY)
    planned = [
        make_run("install", [make_site(server=make_server(parallelism=1))]) for _ in range(3)
    ]
    assert [leases.claim(run.id) is not None for run in planned] == [True, True, False]
    assert "batas 2 pekerjaan serentak" in fresh(planned[2]).message


def test_a_run_wider_than_every_limit_goes_alone() -> None:
    settings.put(settings.PARALLELISM, 1, by=BY)
    server = make_server(parallelism=4)
    run = make_run("install", [make_site(server=server) for _ in range(4)])
    assert leases.claim(run.id) is not None


def test_drained_nothing_is_claimed() -> None:
    run = make_run()
    settings.set_drain(drain=True, by=BY)
    assert leases.claim(run.id) is None
    assert "drain" in fresh(run).message
    settings.set_drain(drain=False, by=BY)
    assert leases.claim(run.id) is not None
    assert fresh(run).message == ""


def test_a_run_cancelled_meanwhile_is_not_claimed() -> None:
    run = make_run(cancel_requested=True)
    assert leases.claim(run.id) is None
    assert fresh(run).state is RunState.CANCELLED
    assert {target.state for target in fresh(run).targets} == {RunState.CANCELLED}
    assert keys() == set()


def test_tokens_only_ever_grow() -> None:
    future = time.time_ns() // 1_000_000 + 10**9
    make_run(state=RunState.SUCCEEDED, token=future)
    lease = leases.claim(make_run().id)
    assert lease is not None
    assert lease.token == future + 1
    tenure = Tenure(lease)
    tenure.renew()
    assert tenure.lease.token == future + 2


def test_a_run_without_heartbeat_is_lost_and_settled_by_one_only() -> None:
    run, alive = make_run(), make_run(targets=[make_site(server=make_server())])
    assert leases.claim(run.id) is not None
    assert leases.claim(alive.id) is not None
    with transaction():
        fresh(run).targets[0].state = RunState.RUNNING
    assert leases.expired() == []
    expire(run)
    assert leases.expired() == [run.id]
    assert fresh(run).state is RunState.LOST
    assert fresh(run).targets[0].state is RunState.LOST
    assert fresh(alive).state is RunState.RUNNING
    assert keys() >= {f"site:{run.targets[0].site_id}"}
    assert leases.claim_lost(run.id) is not None
    assert leases.claim_lost(run.id) is None
    assert leases.expired() == []


def test_whoever_lost_a_lease_writes_nothing_more() -> None:
    run = make_run()
    lease = leases.claim(run.id)
    assert lease is not None
    expire(run)
    leases.expired()
    tenure = Tenure(lease)
    with pytest.raises(LeaseLostError):
        tenure.extend()
    settler = leases.claim_lost(run.id)
    assert settler is not None
    with pytest.raises(LeaseLostError):
        tenure.renew()
    Tenure(settler).extend()


@pytest.mark.patient
def test_a_heartbeat_moves_the_lease_on_and_follows_a_new_token(registry: Flask) -> None:
    hurry(registry)
    run = make_run()
    lease = leases.claim(run.id)
    assert lease is not None
    with leases.heartbeat(lease) as tenure:
        tenure.renew()
        time.sleep(0.7)
        assert fresh(run).lease_until > registry_now(db.session())
        assert not tenure.lost.is_set()
        with transaction() as session:
            session.get_one(Run, run.id).token += 1
        assert tenure.lost.wait(5)


def test_only_the_newest_play_of_a_run_is_at_work_by_right() -> None:
    run = make_run()
    lease = leases.claim(run.id)
    assert lease is not None
    assert leases.is_current(run.id, lease.token)
    assert not leases.is_current(run.id, lease.token - 1)
    expire(run)
    leases.expired()
    assert not leases.is_current(run.id, lease.token)
    settler = leases.claim_lost(run.id)
    assert settler is not None
    assert leases.is_current(run.id, settler.token)


def hurry(registry: Flask) -> None:
    quick = {"lease_seconds": 0.5, "heartbeat_seconds": 0.1}
    registry.extensions["siappakai.settings"] = current_settings().model_copy(update=quick)


def test_what_a_lost_run_may_still_do_counts_on_its_server_alone() -> None:
    one, other = make_server(parallelism=1), make_server(parallelism=1)
    lost = make_run("install", [make_site(server=one)])
    waiting = make_run("install", [make_site(server=one)])
    elsewhere = make_run("install", [make_site(server=other)])
    assert leases.claim(lost.id) is not None
    expire(lost)
    assert leases.expired() == [lost.id]
    assert leases.claim(waiting.id) is None
    assert fresh(waiting).message.startswith(f"Menunggu pekerjaan {lost.id}")
    assert leases.claim(elsewhere.id) is not None
