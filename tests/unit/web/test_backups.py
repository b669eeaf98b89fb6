"""The page of backups: what it shows, what it asks for, who may."""

from datetime import timedelta

from flask.testing import FlaskClient

from siappakai.domain.backups import CopyState, ProofState
from siappakai.domain.states import SiteState
from siappakai.models import Backup, Run, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import backup_keys, fleet_calendar
from tests.factories import BY, make_release, make_server, make_site
from tests.unit.services.test_backups import make_backup, make_store


def fresh() -> None:
    """See what the panel wrote."""
    db.session.commit()
    db.session.expire_all()


def test_without_a_key_the_page_says_what_to_do_first(operator: FlaskClient):
    text = operator.get("/backups/").text
    assert "siappakai backup make-key" in text
    assert "Cadangkan semua" not in text


def test_what_was_proven_and_what_is_wrong_is_told(viewer: FlaskClient):
    make_store("gudang")
    with transaction():
        make_store("awan").failing_since = utc_now()
    proof = {"tables": 244, "residents": 4812, "seconds": 3.5, "brought_seconds": 1.0}
    proven = {"proof_state": ProofState.PROVEN, "proven_at": utc_now(), "proof": proof}
    site = make_site(release=make_release())
    make_backup(site, **proven)
    make_backup(site, days=1)
    broken = make_backup(site, proof_state=ProofState.FAILED, proof_message="rusak <b>")
    with transaction():
        broken.copies[0].state = CopyState.DAMAGED
    text = viewer.get("/backups/").text
    for words in (
        "244 tabel, 4812 penduduk",
        "pulih dalam 4.5 detik",
        "Terbukti dapat dipulihkan",
        "Gagal dibuktikan",
        "Belum dibuktikan",
        "1 cadangan belum dibuktikan",
        "rusak &lt;b&gt;",
        "Gagal sejak",
        "Rusak",
        site.village.name,
    ):
        assert words in text
    assert "Tahan" not in text


def test_all_are_backed_up_and_one_is_held_by_a_button(operator: FlaskClient, admin: FlaskClient):
    make_store()
    backup_keys.make_recovery_key(by=BY)
    backup = make_backup(make_site(release=make_release()))
    assert "Cadangkan semua" in operator.get("/backups/").text
    asked = operator.post("/backups/take")
    fresh()
    run = db.session.query(Run).one()
    assert asked.headers["Location"].endswith(f"/runs/{run.id}")
    assert run.play == "backup"
    operator.post(f"/backups/{backup.id}/hold")
    fresh()
    assert db.session.get_one(Backup, backup.id).is_held
    assert operator.post(f"/backups/{backup.id}/release").status_code == 403
    admin.post(f"/backups/{backup.id}/release")
    fresh()
    assert not db.session.get_one(Backup, backup.id).is_held


def test_a_prover_that_serves_villages_is_flagged(viewer: FlaskClient):
    site = make_site(release=make_release())
    apart = make_server("terpisah", is_prover=True, proof_recipient="age1" + "q" * 58)
    assert "juga melayani" not in viewer.get("/backups/").text
    with transaction():
        site.server.is_prover, site.server.proof_recipient = True, apart.proof_recipient
    text = viewer.get("/backups/").text
    assert f"{site.server.name} membuktikan cadangan dan juga melayani 1 situs" in text
    assert "terpisah membuktikan" not in text


def test_what_a_store_keeps_although_it_may_go_is_told(viewer: FlaskClient):
    with transaction():
        make_store("gudang").is_append_only = True
    make_backup(make_site(release=make_release()), expired_at=utc_now())
    text = viewer.get("/backups/").text
    assert "panel tidak menghapus di sana" in text
    assert "1 cadangan lama untuk dihapus" in text


def test_the_calendar_says_in_words_what_its_colours_say(viewer: FlaskClient):
    make_store()
    yesterday = utc_now() - timedelta(days=1)
    old = utc_now() - timedelta(days=20)
    site = make_site(release=make_release(), state=SiteState.ACTIVE, installed_at=old)
    backup = make_backup(site)
    with transaction():
        backup.taken_at, backup.proof_state = yesterday, ProofState.PROVEN
    assert "Per hari" not in viewer.get("/backups/").text
    fleet_calendar.count_if_due()
    fleet = viewer.get("/backups/").text
    assert "terbukti 1" in fleet
    assert "tidak ada 1" in fleet
    page = viewer.get(f"/villages/{site.village.code}").text
    assert page.count('class="good"') == 1
    assert page.count('class="bad"') > 10
    assert "<span>tidak ada</span>" in page
