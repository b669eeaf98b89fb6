"""What was found in a village's files is read on its page, until its site is up."""

from flask.testing import FlaskClient

from siappakai.domain.states import RunState, SiteState
from siappakai.models.transactions import transaction
from tests.factories import make_run, make_site, make_village

REPORT = {
    "figures": {"penduduk": 12},
    "findings": [
        {"code": "odd_nik", "blocks": False, "params": {"count": 3}},
        {"code": "other_version", "blocks": True, "params": {"found": "1", "wanted": "2"}},
    ],
}


def test_findings_are_told_in_the_readers_language(viewer: FlaskClient) -> None:
    village = make_village()
    site = make_site(village)
    run = make_run("inspect", [site], state=RunState.SUCCEEDED)
    with transaction():
        run.targets[0].state = RunState.SUCCEEDED
        run.targets[0].result = REPORT
        site.state = SiteState.PLANNED
    page = viewer.get(f"/villages/{village.code}").text
    assert "Menghalangi:" in page
    assert "3 NIK bukan 16 angka." in page
    viewer.post("/preferences", data={"language": "en"})
    assert "3 NIK do not have 16 digits." in viewer.get(f"/villages/{village.code}").text
    with transaction():
        site.state = SiteState.ACTIVE
    assert "3 NIK" not in viewer.get(f"/villages/{village.code}").text


def test_what_made_a_move_be_refused_is_told_too(viewer: FlaskClient) -> None:
    village = make_village()
    site = make_site(village)
    run = make_run("adopt", [site], state=RunState.FAILED)
    with transaction():
        target = run.targets[0]
        target.state = RunState.FAILED
        target.error = {"code": "adoption_refused", "params": {"findings": REPORT["findings"][1:]}}
        target.result = {"state": "absent", "healthy": False}
        site.state = SiteState.PLANNED
    assert "Skema data ini 1" in viewer.get(f"/villages/{village.code}").text
