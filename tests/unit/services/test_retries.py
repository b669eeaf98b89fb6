"""What failed is asked for again by the rules and on the servers of today."""

import pytest

from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.errors import ConflictError, RefusedError
from siappakai.models import Role, Site
from siappakai.models.transactions import transaction
from siappakai.services import overview, retries, runs
from siappakai.services.permissions import least_role
from tests.factories import BY, make_release, make_run, make_server, make_site, make_village

pytestmark = pytest.mark.usefixtures("registry")


def planned() -> Site:
    return make_site(make_village(), wanted_release_id=make_release().id)


def test_only_what_failed_is_asked_for_again() -> None:
    sites = [planned() for _ in range(4)]
    run = make_run("install", sites, state=RunState.FAILED)
    ends = [RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.SUCCEEDED]
    with transaction():
        for target, state in zip(run.targets, ends, strict=True):
            target.state = state
    (again,) = retries.retry_failed(run.id, by=BY)
    assert [target.site_id for target in again.targets] == [sites[1].id, sites[2].id]
    assert {target.state for target in again.targets} == {RunState.QUEUED}
    assert (again.retry_of_id, again.play) == (run.id, "install")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (RunState.RUNNING, "belum selesai"),
        (RunState.LOST, "belum selesai"),
        (RunState.SUCCEEDED, "Tidak ada yang gagal"),
    ],
)
def test_there_must_be_something_to_repeat(state: RunState, reason: str) -> None:
    with pytest.raises(ConflictError, match=reason):
        retries.retry_failed(make_run(state=state).id, by=BY)


def test_a_run_is_repeated_once_at_a_time() -> None:
    run = make_run("install", [planned()], state=RunState.FAILED)
    (again,) = retries.retry_failed(run.id, by=BY)
    with pytest.raises(ConflictError, match=f"diulang dalam pekerjaan {again.id}"):
        retries.retry_failed(run.id, by=BY)
    runs.request_cancel(again.id, by=BY)
    assert retries.retry_failed(run.id, by=BY)[0].retry_of_id == run.id


def test_a_site_that_moved_is_asked_for_on_its_present_server() -> None:
    old, new = make_server(), make_server()
    sites = [make_site(make_village(), old, release=make_release()) for _ in range(2)]
    run = make_run("health", sites, state=RunState.FAILED)
    assert len(overview.standing_failures()) == 2
    with transaction():
        sites[1].server_id = new.id
    again = retries.retry_failed(run.id, by=BY)
    assert [one.targets[0].server_id for one in again] == [old.id, new.id]
    assert {one.retry_of_id for one in again} == {run.id}
    with transaction():
        again[1].targets[0].state = RunState.SUCCEEDED
    assert [failed.site_id for failed in overview.standing_failures()] == [sites[0].id]


def test_the_rules_of_today_apply() -> None:
    site = planned()
    run = make_run("install", [site], state=RunState.FAILED)
    with transaction():
        site.server.state = ServerState.FAILED
    with pytest.raises(RefusedError, match="belum siap"):
        retries.retry_failed(run.id, by=BY)
    with transaction():
        site.state = SiteState.REMOVED
    with pytest.raises(ConflictError, match="sudah tidak ada"):
        retries.retry_failed(run.id, by=BY)


def test_a_retry_keeps_the_release_it_was_asked_for() -> None:
    asked, since = make_release("v2409.0.0"), make_release("v2410.0.0")
    site = make_site(release=since, state=SiteState.PLANNED, release_id=None)
    run = make_run("install", [site], state=RunState.FAILED, options={"release_id": asked.id})
    (again,) = retries.retry_failed(run.id, by=BY)
    assert again.options == {"release_id": asked.id}


def test_a_server_is_prepared_again() -> None:
    run = make_run("server", [make_server()], state=RunState.FAILED)
    (again,) = retries.retry_failed(run.id, by=BY)
    assert (again.play, again.retry_of_id) == ("server", run.id)


def test_what_destroys_or_prepares_is_an_administrators() -> None:
    wanted = {"server": Role.ADMIN, "remove": Role.ADMIN, "install": Role.OPERATOR}
    assert {play: least_role(play) for play in wanted} == wanted
    assert least_role("unknown") is Role.ADMIN


def test_an_export_is_asked_for_anew_where_somebody_waits_for_it() -> None:
    run = make_run("export", [make_site(release=make_release())], state=RunState.FAILED)
    with pytest.raises(RefusedError, match="village export"):
        retries.retry_failed(run.id, by=BY)
