"""A village's own database out of the gabungan: asked for on the page, fetched once."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from siappakai.domain.states import RunState
from siappakai.errors import InvalidInputError, RefusedError
from siappakai.models import AuditEntry, Run, db
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import exports, extracts, merge_notes, merges, releases, retries
from siappakai.services.extracts import Foreign
from tests.factories import BY, make_release, make_server, make_site
from tests.unit.web.test_gabungan import make

pytestmark = pytest.mark.usefixtures("panel")


def merged() -> str:
    """Have a village merged; return its code."""
    make()
    village = make_site(release=make_release()).village
    run = merges.request_merge(site_ids=merges.merge_site_ids(), whole=False, by=BY)
    tables = {"artikel": [2, 2, "sent"], "data_persil": [1, 0, "unknown"]}
    report = {"state": "merged", "tables": tables, "statistics": {}}
    with transaction() as session:
        merge_notes.note(session, run.id, {f"opensid-{village.code}": report})
    return village.code


def archive(run: Run) -> Path:
    """Lay down what a run brings."""
    path = current_settings().state / "outgoing" / f"{run.id}.zip"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"desa")
    with transaction():
        run.state = RunState.SUCCEEDED
    return path


def newest() -> Run:
    db.session.commit()
    run = db.session.query(Run).order_by(Run.id.desc()).first()
    assert run is not None
    return run


def test_it_is_asked_for_and_fetched_once(admin: FlaskClient) -> None:
    code = merged()
    assert f"/gabungan/extracts/{code}" in admin.get("/gabungan/").text
    asked = admin.post(f"/gabungan/extracts/{code}")
    run = newest()
    assert (run.play, asked.location) == ("extract", f"/runs/{run.id}")
    with transaction() as session:
        merge_notes.note(session, run.id, {"residents": 7})
    assert run.targets[0].result == {"residents": 7}
    assert admin.post(f"/gabungan/extracts/{run.id}/archive").status_code == 403
    path = archive(run)
    assert "Ambil arsip desa" in admin.get(asked.location).text
    with admin.post(f"/gabungan/extracts/{run.id}/archive") as answer:
        assert (answer.data, answer.mimetype) == (b"desa", "application/zip")
    assert not path.exists()
    assert "Ambil arsip desa" not in admin.get(asked.location).text
    trail = [one.action for one in db.session.query(AuditEntry).filter_by(subject=code)]
    assert trail[-2:] == ["gabungan.extract", "gabungan.hand_out"]


def test_what_another_run_brought_is_not_handed_out_here(admin: FlaskClient) -> None:
    merged()
    run = newest()
    path = archive(run)
    assert admin.post(f"/gabungan/extracts/{run.id}/archive").status_code == 404
    assert path.exists()


def test_one_that_is_not_merged_is_refused(admin: FlaskClient) -> None:
    make()
    code = make_site(release=make_release()).village.code
    assert admin.post(f"/gabungan/extracts/{code}").status_code == 403
    assert f"/gabungan/extracts/{code}" not in admin.get("/gabungan/").text


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that is not fetched: its source is out of reach here."""
    monkeypatch.setattr(releases, "release_vars", releases.unshipped_vars)


@pytest.mark.usefixtures("shipped")
def test_a_play_is_told_what_it_needs_and_its_secrets_are_kept_nowhere() -> None:
    merged()
    village = merges.list_members()[0].village
    run = extracts.request(village, by=BY)
    told = extracts.play_vars(run)["extract"]
    assert told["database"] == merges.get_gabungan().schema
    assert told["unknown"] == ["data_persil"]
    assert told["secrets"]["password_hash"].startswith("$2y$")
    assert "secrets" not in run.options
    assert extracts.play_vars(run)["extract"]["secrets"] != told["secrets"]
    assert extracts.play_vars(newest()) != {}
    with transaction():
        run.state = run.targets[0].state = RunState.FAILED
    with pytest.raises(RefusedError, match="menyerahkan data"):
        retries.retry_failed(run.id, by=BY)


@pytest.mark.usefixtures("shipped")
def test_out_of_a_foreign_one_it_needs_no_gabungan_of_ours() -> None:
    village, server = make_site(release=make_release()).village, make_server()
    for name in ("x;y", "../a", "Besar"):
        with pytest.raises(InvalidInputError):
            extracts.request(village, foreign=Foreign(server, name), by=BY)
    run = extracts.request(village, foreign=Foreign(server, "db_gabungan_premium"), by=BY)
    told = extracts.play_vars(run)["extract"]
    assert (told["database"], told["is_foreign"], told["unknown"]) == (
        "db_gabungan_premium",
        True,
        [],
    )
    assert not exports.is_waiting(run)
