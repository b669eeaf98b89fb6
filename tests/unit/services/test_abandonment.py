"""A machine that is gone for good leaves the fleet, and its villages can live elsewhere."""

from datetime import timedelta

import pytest

from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.errors import ConflictError, InvalidInputError
from siappakai.models import Run, RunLock, Server, Site, db, registry_now
from siappakai.services import abandonment, audit, leases, servers, sites
from tests.factories import BY, make_release, make_run, make_server, make_site

pytestmark = pytest.mark.usefixtures("registry")


def state_of(site: Site) -> SiteState:
    return db.session.get_one(Site, site.id, populate_existing=True).state


def test_its_sites_and_waiting_runs_end_and_its_villages_are_planned_elsewhere() -> None:
    gone, other = make_server("mati"), make_server("lain")
    held = [make_site(server=gone, release=make_release()) for _ in range(2)]
    stays = make_site(server=other, release=make_release())
    lost = make_run("install", held[:1])
    assert leases.claim(lost.id) is not None
    run = db.session.get_one(Run, lost.id)
    run.state, run.lease_until = RunState.LOST, None
    db.session.commit()
    waiting = make_run("health", held[1:])

    assert abandonment.abandon_server(gone.id, confirmed_count=2, by=BY) == 2

    assert [state_of(site) for site in held] == [SiteState.REMOVED] * 2
    assert state_of(stays) is SiteState.ACTIVE
    ended = [db.session.get_one(Run, one.id, populate_existing=True) for one in (lost, waiting)]
    assert [one.state for one in ended] == [RunState.FAILED, RunState.CANCELLED]
    assert "tidak akan kembali" in ended[0].targets[0].message
    assert db.session.query(RunLock).count() == 0
    kept = db.session.get_one(Server, gone.id, populate_existing=True)
    assert (kept.state, servers.find_server("mati")) == (ServerState.FORGOTTEN, None)
    entry = audit.list_entries(action="server.abandon").items[0]
    assert entry.detail["villages"] == [site.village.code for site in held]
    moved = sites.plan_site(village=held[0].village, server=other, domain="pindah.desa.id", by=BY)
    assert moved.state is SiteState.PLANNED


def test_a_wrong_number_changes_nothing() -> None:
    server = make_server()
    site = make_site(server=server, release=make_release())
    with pytest.raises(InvalidInputError, match="memuat 1 situs, bukan 2") as refusal:
        abandonment.abandon_server(server.id, confirmed_count=2, by=BY)
    assert refusal.value.field == "confirmed_count"
    assert state_of(site) is SiteState.ACTIVE


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.LOST])
def test_while_somebody_works_on_it_it_stays(state: RunState) -> None:
    server = make_server()
    site = make_site(server=server, release=make_release())
    soon = registry_now(db.session()) + timedelta(minutes=1)
    run = make_run("health", [site], state=state, lease_until=soon)
    with pytest.raises(ConflictError, match=f"Pekerjaan {run.id} masih berjalan"):
        abandonment.abandon_server(server.id, confirmed_count=1, by=BY)
    assert state_of(site) is SiteState.ACTIVE
