"""A site that is only planned: planned anew or dropped, unless a run is at it."""

import bcrypt
import pytest
from sqlalchemy import select

from siappakai.domain.codes import dotted
from siappakai.domain.states import RunState, SiteState
from siappakai.errors import ConflictError
from siappakai.models import AuditEntry, Run, Site, db
from siappakai.models.transactions import WRITES
from siappakai.services import bulk, site_secrets, sites
from siappakai.services.bulk import Placement
from tests.factories import BY, make_release, make_run, make_server, make_site, make_village

pytestmark = pytest.mark.usefixtures("registry")


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING, RunState.LOST])
def test_a_site_is_not_moved_nor_dropped_while_a_run_is_at_it(state: RunState) -> None:
    site = make_site(release=make_release(), state=SiteState.PLANNED)
    make_run("install", [site], state=state)
    elsewhere = make_server()
    with pytest.raises(ConflictError, match="masih mengerjakan"):
        sites.plan_site(village=site.village, server=elsewhere, domain="lain.desa.id", by=BY)
    with pytest.raises(ConflictError, match="masih mengerjakan"):
        sites.request_remove(site_ids=[site.id], confirmed_count=1, by=BY)
    kept = db.session.get_one(Site, site.id, populate_existing=True)
    assert (kept.state, kept.server_id) == (SiteState.PLANNED, site.server_id)
    assert kept.server_id != elsewhere.id


def test_a_site_whose_run_has_ended_is_planned_anew() -> None:
    site = make_site(release=make_release(), state=SiteState.PLANNED)
    make_run("install", [site], state=RunState.FAILED)
    elsewhere = make_server()
    again = sites.plan_site(village=site.village, server=elsewhere, domain="lain.desa.id", by=BY)
    assert (again.id, again.server_id) == (site.id, elsewhere.id)


def test_a_planned_site_is_removed_without_a_run() -> None:
    planned, built = make_site(make_village()), make_site(make_village(), release=make_release())
    domain = planned.domain
    (run,) = sites.request_remove(site_ids=[planned.id, built.id], confirmed_count=2, by=BY)
    assert [target.site_id for target in run.targets] == [built.id]
    gone = db.session.get_one(Site, planned.id, populate_existing=True)
    assert gone.state is SiteState.REMOVED
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "site.remove")).one()
    assert entry.detail == {"domain": domain}
    assert make_site(make_village(), domain=domain).domain == domain


def test_removing_planned_sites_alone_asks_for_no_run() -> None:
    planned = make_site()
    assert sites.request_remove(site_ids=[planned.id], confirmed_count=1, by=BY) == []
    assert db.session.scalar(select(Run)) is None


def test_passwords_are_hashed_before_others_must_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    release, server = make_release(), make_server()
    there, bare = make_site(server=server), make_village()
    hashed_inside: list[bool] = []
    real = bcrypt.hashpw

    def note(password: bytes, salt: bytes) -> bytes:
        options = db.session.connection().get_execution_options()
        hashed_inside.append(bool(options.get(WRITES)))
        return real(password, salt)

    monkeypatch.setattr(site_secrets.bcrypt, "hashpw", note)
    placements = [Placement(there.village.code), Placement(dotted(bare.code), "baru.example.id")]
    (run,) = bulk.install_villages(placements, release_id=release.id, server_id=server.id, by=BY)
    assert hashed_inside == [False]
    assert len(run.targets) == 2
