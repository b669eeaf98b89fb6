"""The page of the gabungan: what it shows, what it asks for."""

from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from siappakai.domain.consent import GROUPS
from siappakai.models import Run, db
from siappakai.models.transactions import transaction
from siappakai.services import consents, merge_notes, merges
from tests.factories import BY, make_release, make_server, make_site

pytestmark = pytest.mark.usefixtures("panel")


def make() -> None:
    """Have a gabungan made."""
    run = merges.request_create(
        server=make_server(),
        release=make_release(),
        changes=["kesehatan=masked"],
        all_as="full",
        document="470/1/2026",
        by=BY,
    )
    with transaction() as session:
        merge_notes.note(session, run.id, {"unknown": []})


def test_without_a_gabungan_the_page_says_how_to_make_one(operator: FlaskClient) -> None:
    text = operator.get("/gabungan/").text
    assert "siappakai gabungan init" in text
    assert "Gabungkan sekarang" not in text


def test_each_village_is_told_with_its_proof_its_quality_and_what_it_shares(
    viewer: FlaskClient,
) -> None:
    make()
    sites = [make_site(release=make_release()) for _ in range(4)]
    run = merges.request_merge(site_ids=[one.id for one in sites], whole=False, by=BY)
    merged = {
        "state": "merged",
        "tables": {"artikel": [2, 2, "sent"], "data_persil": [1, 0, "unknown"]},
        "statistics": {"penduduk": 4812},
        "references": 267,
        "quality": ["duplicate: klasifikasi_surat.2"],
        "shares": dict.fromkeys(GROUPS, "full"),
    }
    told = [
        merged,
        {"state": "waiting", "village": 2024110101, "gabungan": 2024100101},
        {"state": "failed", "message": "rusak <b>"},
        {"state": "failed", "message": "busy", "error": {"code": "gabungan_busy", "params": {}}},
    ]
    with transaction() as session:
        hosts = [f"opensid-{one.village.code}" for one in sites]
        merge_notes.note(session, run.id, dict(zip(hosts, told, strict=True)))
    text = viewer.get("/gabungan/").text
    for words in (
        "4812",
        "2 tabel dan 267 rujukan cocok",
        "Baris kembar menurut kunci gabungan, tidak digabungkan: klasifikasi_surat.2",
        "tidak dikenal: data_persil",
        "Belum dihapus: kesehatan",
        "disamarkan: kesehatan",
        "sudah versi 2024110101",
        "rusak &lt;b&gt;",
        "Gabungan dikerjakan pekerjaan lain terlalu lama.",
    ):
        assert words in text, words
    assert "Gabungkan sekarang" not in text


def _note(statements: list[str], *call: Any) -> None:
    statements.append(call[2])


def test_more_villages_take_no_more_questions(viewer: FlaskClient) -> None:
    make()
    asked = []
    for count in (1, 3):
        sites = [make_site(release=make_release()) for _ in range(count)]
        merges.request_merge(site_ids=[one.id for one in sites], whole=False, by=BY)
        db.session.remove()
        statements: list[str] = []
        note = partial(_note, statements)
        event.listen(db.engine, "before_cursor_execute", note)
        viewer.get("/gabungan/")
        event.remove(db.engine, "before_cursor_execute", note)
        asked.append(len(statements))
    assert asked[0] == asked[1]


def test_what_somebody_else_wrote_is_told(viewer: FlaskClient) -> None:
    make()
    found = {
        "villages": {"5102012001": {"differs": ["kia"]}, "5102012002": {"differs": []}},
        "shared": [{"of": "tweb_penduduk.nik", "count": 3, "examples": []}],
        "sums": {
            "compared": 4,
            "differs": [["penduduk", 7, 8]],
            "explained": [["bantuan/1/2", 3, 4]],
        },
    }
    with transaction() as session:
        merge_notes.note(session, merges.request_verify(by=BY).id, found)
    text = viewer.get("/gabungan/").text
    assert "desa 5102012001: kia" in text
    assert "5102012002" not in text
    assert "3 nilai tweb_penduduk.nik" in text
    assert "penduduk: desa 7, kabupaten 8" in text
    assert "OpenKab menghitung 4, seharusnya 3" in text


def test_operators_merge_verify_pause_and_resume(panel: Flask, operator: FlaskClient) -> None:
    make()
    make_site(release=make_release())
    for path in ("merge", "verify"):
        asked = operator.post(f"/gabungan/{path}")
        db.session.commit()
        run = db.session.query(Run).order_by(Run.id.desc()).first()
        assert run is not None
        assert (run.play, asked.location) == (path, f"/runs/{run.id}")
    operator.post("/gabungan/pause")
    assert "Lanjutkan" in operator.get("/gabungan/").text
    assert operator.post("/gabungan/merge").status_code == 403
    operator.post("/gabungan/resume")
    assert "Gabungkan sekarang" in operator.get("/gabungan/").text


def test_what_is_shared_is_decided_on_a_page(admin: FlaskClient) -> None:
    make()
    village = make_site(release=make_release()).village
    page = admin.get(f"/gabungan/consent/{village.code}").text
    assert page.count("<select") == len(GROUPS)
    form = dict.fromkeys(GROUPS, "full") | {"surat": "withheld"}
    assert admin.post(f"/gabungan/consent/{village.code}", data=form).status_code == 422
    form["document"] = "471/2026"
    answer = admin.post(f"/gabungan/consent/{village.code}", data=form)
    assert answer.location == "/gabungan/"
    db.session.commit()
    decided = consents.of_village(village)
    assert (decided.shares["surat"], decided.document) == ("withheld", "471/2026")
    run = merges.request_merge(site_ids=merges.merge_site_ids(), whole=False, by=BY)
    report = {"state": "merged", "tables": {}, "statistics": {}, "shares": decided.shares}
    with transaction() as session:
        merge_notes.note(session, run.id, {f"opensid-{village.code}": report})
    for path, play in (("consent", ""), (f"consent/{village.code}", "narrow")):
        answer = admin.post(f"/gabungan/{path}", data=form | {"artikel": "masked"})
        db.session.commit()
        newest = db.session.query(Run).filter_by(play="narrow").first()
        assert (newest.play if newest else "") == play


def test_a_village_leaves_when_its_code_is_typed(admin: FlaskClient) -> None:
    make()
    village = make_site(release=make_release()).village
    merges.request_merge(site_ids=merges.merge_site_ids(), whole=False, by=BY)
    assert village.name in admin.get(f"/gabungan/leave/{village.code}").text
    wrong = admin.post(f"/gabungan/leave/{village.code}", data={"typed": "5102019999"})
    assert (wrong.status_code, "Bukan kode" in wrong.text) == (422, True)
    answer = admin.post(f"/gabungan/leave/{village.code}", data={"typed": village.code})
    db.session.commit()
    run = db.session.query(Run).filter_by(play="withdraw").one()
    assert answer.location == f"/runs/{run.id}"
    assert merges.has_left(merges.find_member(village))


def test_passwords_of_its_users_are_shown_to_an_admin(admin: FlaskClient) -> None:
    make()
    text = admin.post("/gabungan/users").text
    known = merges.user_passwords(by=BY)
    assert all(user in text and password in text for user, password in known.items())
