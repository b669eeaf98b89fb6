"""The gabungan through the run engine: asked for, done by a worker, told to the registry."""

from __future__ import annotations

import os

import pytest

from siappakai.domain.states import RunState, SiteState
from siappakai.models import Run, db
from siappakai.services import merges, releases
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
    leaving = planned[1].village
    _succeeds(engine, merges.request_withdraw(villages=[leaving], confirmed_count=1, by=BY))
    assert merges.list_members()[1].withdrawn_at is not None


def _succeeds(engine: Engine, run: Run) -> Run:
    db.session.commit()
    settled = engine.settle(run, 300)
    db.session.expire_all()
    assert settled.state is RunState.SUCCEEDED, engine.told(run)
    return settled
