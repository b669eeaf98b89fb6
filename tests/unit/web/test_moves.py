"""Moving in by the panel: files are sent, and what was found in them is read on the page."""

import io
import zipfile

from flask.testing import FlaskClient

from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.models import Run, db
from siappakai.models.transactions import transaction
from siappakai.web.forms.adoptions import MAX_MEGABYTES
from tests.factories import make_release, make_run, make_server, make_site, make_village

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


def _desa() -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("desa/app_key", "base64:" + "A" * 43 + "=")
        archive.writestr("isi.sql", "CREATE TABLE config (id INT);")
    made.seek(0)
    return made


def test_files_are_sent_by_the_villages_page_and_a_look_is_asked_for(admin: FlaskClient) -> None:
    village, server = make_village(), make_server(state=ServerState.READY)
    release = make_release()
    url = f"/villages/{village.code}/adopt"
    assert url in admin.get(f"/villages/{village.code}").text
    assert server.name in admin.get(url).text
    wish = {"domain": "bajera.desa.id", "server_id": server.id, "release_id": release.id}
    lacking = admin.post(url, data=wish)
    assert lacking.status_code == 403
    assert "tidak ada di mesin ini" in lacking.text
    broken = admin.post(url, data={**wish, "files": (io.BytesIO(b"bukan arsip"), "desa.zip")})
    assert "rusak atau bukan arsip" in broken.text
    sent = admin.post(url, data={**wish, "files": (_desa(), "desa.zip"), "only_look": "y"})
    db.session.commit()
    run = db.session.query(Run).one()
    assert sent.headers["Location"].endswith(f"/runs/{run.id}")
    assert run.play == "inspect"
    with transaction():
        run.state = run.targets[0].state = RunState.SUCCEEDED
    # What was sent is there for the move, with nothing sent again.
    moving = admin.post(url, data=wish)
    assert moving.status_code == 303
    db.session.commit()
    assert [one.play for one in db.session.query(Run).order_by(Run.id)] == ["inspect", "adopt"]


def test_files_that_are_too_large_are_refused(admin: FlaskClient) -> None:
    answer = admin.post(
        f"/villages/{make_village().code}/adopt",
        data={"files": (_desa(), "desa.zip")},
        environ_overrides={"CONTENT_LENGTH": str((MAX_MEGABYTES << 20) + 1)},
    )
    assert answer.status_code == 413
