"""From an empty registry to the first site, step by step, as the registry tells it."""

import pytest

from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.models.transactions import transaction
from siappakai.services import setup
from siappakai.services.setup import SetupStep
from tests.factories import (
    make_regency,
    make_release,
    make_run,
    make_server,
    make_site,
    make_village,
)

pytestmark = pytest.mark.usefixtures("registry")


def now_due() -> SetupStep | None:
    stage = setup.next_stage()
    return stage.step if stage else None


def test_each_step_follows_the_one_before():
    assert [stage.step for stage in setup.stages()] == list(SetupStep)
    assert not any(stage.is_done for stage in setup.stages())
    assert now_due() is SetupStep.REGENCY
    make_regency()
    assert now_due() is SetupStep.VILLAGES
    village = make_village()
    assert now_due() is SetupStep.SERVER
    server = make_server("Kominfo", state=ServerState.ENROLLED)
    assert now_due() is SetupStep.PREPARE
    with transaction():
        server.state = ServerState.READY
    assert now_due() is SetupStep.RELEASE
    release = make_release()
    assert now_due() is SetupStep.INSTALL
    site = make_site(village, server)
    assert now_due() is SetupStep.INSTALL
    with transaction():
        site.state, site.release_id = SiteState.ACTIVE, release.id
    assert now_due() is None
    assert [stage.seen for stage in setup.stages()] == [
        "Tabanan, Bali",
        "1 desa di 1 kecamatan",
        "Kominfo",
        "Kominfo",
        "v2410.0.0",
        site.domain,
    ]


def test_steps_done_in_another_order_count_as_well():
    make_server(state=ServerState.READY)
    make_release()
    assert now_due() is SetupStep.REGENCY
    make_village()
    assert now_due() is SetupStep.INSTALL


@pytest.mark.parametrize("state", [SiteState.INSTALLING, SiteState.BROKEN])
def test_a_first_install_that_has_not_succeeded_is_still_due(state: SiteState):
    site = make_site(release=make_release(), state=state)
    run = make_run("install", [site], state=RunState.FAILED)
    assert now_due() is SetupStep.INSTALL
    assert setup.stages()[-1].run.id == run.id


def test_it_is_over_for_good(registry):
    site = make_site(release=make_release())
    with transaction():
        site.installed_at, site.state = site.created_at, SiteState.REMOVED
        site.server.state = ServerState.FORGOTTEN
    assert setup.is_over()
    assert now_due() is None
    assert not setup.stages()[-1].is_done


def test_many_names_are_cut_short():
    for number in range(5):
        make_server(f"server {number}")
    assert setup.stages()[2].seen == "server 0, server 1, server 2, …"
