"""The gabungan through the run engine: asked for, done by a worker, told to the registry."""

from __future__ import annotations

import os
import signal

import pytest

from siappakai.domain.states import RunState, SiteState
from siappakai.models import Run, Village, db
from siappakai.services import merges, narrowing, releases, runs, withdrawals
from tests.engine import INSTALLED_SECONDS, PARTS, Engine
from tests.factories import BY
from tests.sites import NEW

pytestmark = [
    pytest.mark.integration,
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root"),
    pytest.mark.timeout(900),
]


def test_villages_are_merged_proven_and_taken_out(engine: Engine) -> None:
    engine.start(*PARTS)
    planned = engine.villages(2)
    engine.complete(engine.settle(engine.install(planned), INSTALLED_SECONDS), planned)
    made = merges.request_create(
        server=engine.server,
        release=releases.get_release(NEW),
        changes=[],
        all_as="full",
        document="470/1/2026",
        by=BY,
    )
    _succeeds(engine, made)
    assert merges.get_gabungan().made_at is not None
    ids = [site.id for site in planned]
    merged = _succeeds(engine, merges.request_merge(site_ids=ids, whole=False, by=BY))
    assert [target.state for target in merged.targets] == [RunState.SUCCEEDED] * 2
    assert {step.name for target in merged.targets for step in target.steps} >= {"read", "merge"}
    members = merges.list_members()
    assert [one.id for one in members] == [1, 2]
    assert all(one.merged_at and one.rows and one.report["stamp"] for one in members)
    assert all(site.state is SiteState.ACTIVE for site in planned)
    _succeeds(engine, merges.request_verify(by=BY))
    proof = merges.get_gabungan().verified
    assert {code: told["differs"] for code, told in proof["villages"].items()} == {
        site.village.code: [] for site in planned
    }
    _cancelled(engine, ids)
    _narrows(engine, planned[0].village)
    leaving = planned[1].village
    _succeeds(engine, withdrawals.request_withdraw(villages=[leaving], confirmed_count=1, by=BY))
    assert merges.list_members()[1].withdrawn_at is not None


def _cancelled(engine: Engine, ids: list[int]) -> None:
    """A merge that is stopped anywhere leaves what was merged, and the next one goes on."""
    run = merges.request_merge(site_ids=ids, whole=True, by=BY)
    db.session.commit()
    # Asleep it is at work for certain, and must be ended by force.
    engine.until(lambda: bool(engine.modules(run)), 120)
    for pid in engine.modules(run):
        engine.kill(pid, signal.SIGSTOP)
    runs.request_cancel(run.id, by=BY)
    db.session.commit()
    assert engine.settle(run, 300).state is RunState.CANCELLED, engine.told(run)
    assert engine.leftovers(run) == []
    _succeeds(engine, merges.request_verify(by=BY))
    proof = merges.get_gabungan().verified["villages"].values()
    assert [told["differs"] for told in proof] == [[], []]
    _succeeds(engine, merges.request_merge(site_ids=ids, whole=True, by=BY))


def _narrows(engine: Engine, village: Village) -> None:
    """What a village shares no more is deleted, then it is merged anew."""
    _, asked = narrowing.decide(
        village=village, changes=["sistem=withheld"], document="470/2/2026", by=BY
    )
    (member,) = (one for one in merges.list_members() if one.village_id == village.id)
    assert narrowing.too_much_of(member) == ["sistem"]
    for run in asked:
        _succeeds(engine, run)
    assert narrowing.too_much_of(member) == []
    assert member.report["tables"]["setting_modul"][2] == "withheld"


def _succeeds(engine: Engine, run: Run) -> Run:
    db.session.commit()
    settled = engine.settle(run, 300)
    db.session.expire_all()
    assert settled.state is RunState.SUCCEEDED, engine.told(run)
    return settled
