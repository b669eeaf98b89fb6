"""Runs as people ask for them: written down whole, cancelled, their log paged."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from siappakai import dispatch
from siappakai.domain.states import RunState
from siappakai.errors import ConflictError, NotFoundError, UnreachableError
from siappakai.models import AuditEntry, LogChunk, Run, Target, db
from siappakai.models.transactions import transaction
from siappakai.services import runs
from tests.factories import BY, make_run, make_server, make_site

pytestmark = pytest.mark.usefixtures("registry")


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """The runs that were rung for, and whether a stranger could see them in the registry then."""
    heard: list[tuple[int, bool]] = []

    def send(_settings: Any, run_id: int, _queue: str) -> None:
        with db.engine.connect() as stranger:
            seen = stranger.scalar(select(Run.id).where(Run.id == run_id))
        heard.append((run_id, seen is not None))

    monkeypatch.setattr(dispatch, "send", send)
    return heard


def count(model: type) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_run_targets_and_audit_are_one_transaction(rung: list[tuple[int, bool]]) -> None:
    planned = [make_site(), make_site()]
    run = runs.create_site_run("install", planned, by=BY)
    assert [target.site_id for target in run.targets] == [site.id for site in planned]
    entry = db.session.scalar(select(AuditEntry).where(AuditEntry.action == "run.install"))
    assert entry is not None
    assert entry.subject == f"run {run.id}"
    assert entry.actor == BY
    assert rung == [(run.id, True)]


def test_what_is_rolled_back_leaves_nothing_and_rings_for_nobody(
    rung: list[tuple[int, bool]],
) -> None:
    site = make_site()
    before = count(AuditEntry)

    def ask_and_fail() -> None:
        with transaction():
            runs.create_site_run("install", [site], by=BY)
            raise ConflictError("Berubah pikiran.", "Ulangi.")

    with pytest.raises(ConflictError):
        ask_and_fail()
    assert (count(Run), count(Target), count(AuditEntry)) == (0, 0, before)
    assert rung == []


def test_without_redis_a_request_is_kept() -> None:
    run = runs.create_server_run("server", make_server(), by=BY)
    assert run.state is RunState.QUEUED
    assert run.targets[0].host == f"server-{run.targets[0].server_id}"


def test_redis_away_is_said_by_name(registry: Flask) -> None:
    settings = registry.extensions["siappakai.settings"]
    with pytest.raises(UnreachableError, match="Redis"):
        dispatch.send(settings, 1)
    assert not dispatch.is_reachable(settings)


def test_a_queued_run_is_cancelled_at_once() -> None:
    run = runs.request_cancel(make_run().id, by=BY)
    assert run.state is RunState.CANCELLED
    assert run.ended_at is not None
    assert [target.state for target in run.targets] == [RunState.CANCELLED]


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.LOST])
def test_a_run_at_work_is_asked_to_stop(state: RunState) -> None:
    run = runs.request_cancel(make_run(state=state).id, by=BY)
    assert run.state is state
    assert run.cancel_requested


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED])
def test_a_run_that_has_ended_cannot_be_cancelled(state: RunState) -> None:
    with pytest.raises(ConflictError, match="sudah selesai"):
        runs.request_cancel(make_run(state=state).id, by=BY)


def test_an_unknown_run_is_said_to_be_unknown() -> None:
    with pytest.raises(NotFoundError, match="99"):
        runs.get_run(99)


def test_runs_are_listed_newest_first_and_counted_by_state() -> None:
    make_run(state=RunState.FAILED)
    newest = make_run("install", [make_site(), make_site()])
    assert runs.list_runs().items[0].id == newest.id
    assert len(runs.list_runs(state=RunState.FAILED).items) == 1
    assert runs.progress(newest.id) == {"queued": 2}
    assert len(runs.targets_of(newest.id, per_page=1).items) == 1


def test_runs_are_found_by_play_server_and_who_asked() -> None:
    server = make_server("satu")
    prepared = make_run("server", [server], requested_by="schedule:3")
    twice = make_run("install", [make_site(server=server), make_site(server=server)])
    elsewhere = make_run("install", [make_site(server=make_server("dua"))])

    def found(**filters: Any) -> list[int]:
        page = runs.list_runs(**filters)
        assert page.total == len(page.items)
        return [run.id for run in page.items]

    assert found(play="install") == [elsewhere.id, twice.id]
    assert found(server="satu") == [twice.id, prepared.id]
    assert found(server="satu", play="install") == [twice.id]
    assert found(requested_by="schedule:3") == [prepared.id]
    assert found(requested_by="SCHED") == [prepared.id]
    assert found(requested_by="3") == found(server="tiga") == found(play="nothing") == []


def test_the_log_is_paged_across_its_chunks() -> None:
    run = make_run()
    with transaction() as session:
        for first in (0, 3, 6):
            lines = [f"baris {number} é" for number in range(first, first + 3)]
            chunk = LogChunk(run_id=run.id, first_line=first, lines=3, data=runs.pack(lines))
            session.add(chunk)
    page = runs.log_page(run.id, 2, 5)
    assert page.lines == [f"baris {number} é" for number in range(2, 7)]
    assert (page.first_line, page.total) == (2, 9)
    assert runs.log_page(run.id, 8, 5).lines == ["baris 8 é"]
    assert runs.log_page(run.id, 9, 5).lines == []
    assert runs.log_page(run.id, -4, 1).lines == ["baris 0 é"]
