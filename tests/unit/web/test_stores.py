"""The pages of stores: added after a trial, removed by name, and who holds which key."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pytest_socket import enable_socket

from siappakai.credentials import open_text
from siappakai.domain.backups import ProofState
from siappakai.domain.recovery_kit import Kit
from siappakai.domain.recurrence import Every, Recurrence
from siappakai.errors import NotFoundError
from siappakai.models import LoginSession, Run, Server, Store, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import backup_keys, backup_setup, recovery_kits, schedules, stores
from siappakai.services.backup_setup import BackupStep
from siappakai.services.schedule_orders import Order
from siappakai.web.confirmation import FRESH
from tests.buckets import Buckets, buckets
from tests.factories import BY, make_release, make_server, make_site
from tests.sshd import free_port
from tests.unit.services.test_backups import make_backup, make_store

pytestmark = pytest.mark.usefixtures("panel")


@pytest.fixture
def service(no_network: None) -> Iterator[Buckets]:
    enable_socket()
    with buckets() as found:
        yield found


def bucket_form(service: Buckets, **given: str) -> dict[str, str]:
    known = {"name": "awan", "endpoint": service.endpoint, "bucket": "cadangan"}
    return {**known, "access_key": "kunci", "secret": "rahasia-benar", **given}


@pytest.mark.integration
@pytest.mark.patient
def test_a_bucket_is_tried_out_and_its_secret_never_shown(
    admin: FlaskClient, service: Buckets
) -> None:
    wrong = admin.post("/stores/new-bucket", data=bucket_form(service))
    assert wrong.status_code == 403
    assert "NoSuchBucket" in wrong.text
    assert stores.list_stores() == []
    odd = admin.post("/stores/new-bucket", data=bucket_form(service, endpoint="s3.contoh.id"))
    assert odd.status_code == 422
    service.make("cadangan")
    added = admin.post("/stores/new-bucket", data=bucket_form(service))
    assert added.status_code == 303
    page = admin.get("/stores/").text
    assert f"S3 {service.endpoint}, ember cadangan" in page
    assert "rahasia-benar" not in page + wrong.text
    db.session.rollback()
    (store,) = stores.list_stores()
    assert stores.secret_of(store) == "rahasia-benar"
    twice = admin.post("/stores/new-bucket", data=bucket_form(service))
    assert twice.status_code == 409


def test_a_secret_is_not_written_into_the_question_who_one_is(admin: FlaskClient) -> None:
    db.session.query(LoginSession).update({"confirmed_at": utc_now() - FRESH})
    db.session.commit()
    asked = admin.post("/stores/new-bucket", data={"name": "awan", "secret": "rahasia-benar"})
    assert asked.status_code == 403
    assert 'value="awan"' in asked.text
    assert "rahasia-benar" not in asked.text


@pytest.mark.integration
def test_a_machine_that_does_not_answer_is_said_so_at_the_first_step(
    admin: FlaskClient, service: Buckets
) -> None:
    asked = {"address": "127.0.0.1", "port": str(free_port())}
    answer = admin.post("/stores/new-folder", data=asked)
    assert answer.status_code == 503
    assert "127.0.0.1" in answer.text


def test_a_fingerprint_that_nobody_compared_adds_nothing(admin: FlaskClient) -> None:
    form = {"name": "gudang", "address": "192.0.2.30", "port": "22", "fingerprint": "SHA256:x"}
    answer = admin.post("/stores/folder", data={**form, "user": "cadangan", "folder": "a/b"})
    assert answer.status_code == 422
    assert "Bandingkan dulu" in answer.text
    assert "ssh-ed25519" in answer.text, "the key for that account"


def test_a_store_is_forgotten_only_by_its_name(admin: FlaskClient) -> None:
    make_store()
    assert "gudang" in admin.get("/stores/gudang/remove").text
    wrong = admin.post("/stores/gudang/remove", data={"typed": "gudan"})
    assert (wrong.status_code, len(stores.list_stores())) == (422, 1)
    assert admin.post("/stores/gudang/remove", data={"typed": "gudang"}).status_code == 303
    db.session.rollback()
    with pytest.raises(NotFoundError):
        stores.get_store("gudang")
    assert admin.get("/stores/gudang/remove").status_code == 404


def test_whether_the_panel_may_delete_is_set(admin: FlaskClient) -> None:
    store_id = make_store().id
    for state in ("on", "off"):
        assert admin.post(f"/stores/gudang/append-only/{state}").status_code == 303
        db.session.rollback()
        assert db.session.get_one(Store, store_id).is_append_only is (state == "on")


def test_who_opens_backups_is_shown_and_provers_are_appointed(admin: FlaskClient) -> None:
    server = make_server("server7")
    _, public = backup_keys.make_recovery_key(by=BY)
    page = admin.get("/stores/").text
    assert public in page
    assert admin.post(f"/stores/provers/{server.id}/appoint").status_code == 303
    db.session.rollback()
    assert db.session.query(Run).one().play == "prove"
    with transaction():
        db.session.get_one(Server, server.id).proof_recipient = "age1bukti"
    assert "age1bukti" in admin.get("/stores/").text
    assert admin.post(f"/stores/provers/{server.id}/dismiss").status_code == 303
    assert "age1bukti" not in admin.get("/stores/").text


def test_the_steps_tell_what_is_missing(panel: Flask, admin: FlaskClient) -> None:
    def missing() -> list[BackupStep]:
        return [stage.step for stage in backup_setup.stages() if not stage.is_done]

    assert missing() == list(BackupStep)
    assert "backup make-key" in admin.get("/stores/").text
    key, _ = backup_keys.make_recovery_key(by=BY)
    make_store("satu")
    make_store("dua")
    make_server("server7", is_prover=True, proof_recipient="age1bukti")
    order = Order("backup", Recurrence(Every.DAY, "01:00"))
    schedules.create_schedule(name="malam", order=order, by=BY)
    assert missing() == [BackupStep.KIT, BackupStep.PROVEN]
    make_backup(make_site(release=make_release()), proof_state=ProofState.PROVEN)
    assert missing() == [BackupStep.KIT]
    kit = Kit.read(open_text(recovery_kits.make(by=BY).text, key))
    recovery_kits.confirm(kit.number, by=BY)
    assert missing() == []
    assert "Menyiapkan cadangan" not in admin.get("/stores/").text
    assert admin.get("/setup/").headers["Location"] == "/"


@pytest.mark.integration
@pytest.mark.patient
def test_a_store_may_move_but_never_become_another(admin: FlaskClient, service: Buckets) -> None:
    kept = service.add_store("awan")
    service.add_store("lain")
    service.make("kosong")
    mark, sealed = kept.mark, kept.secret_sealed
    with transaction():
        kept.failing_since, kept.failure = utc_now(), "mati"
    page = admin.get("/stores/awan/edit").text
    assert service.endpoint in page
    assert "rahasia" not in page.replace("Kunci rahasia", "")
    given = {**kept.place, "secret": ""}
    for bucket in ("lain", "kosong"):
        refused = admin.post("/stores/awan/edit", data={**given, "bucket": bucket})
        assert refused.status_code == 403
        assert "bukan yang dahulu" in refused.text
    odd = admin.post("/stores/awan/edit", data={**given, "endpoint": "s3.contoh.id"})
    assert odd.status_code == 422
    db.session.rollback()
    store = stores.get_store("awan")
    assert (store.place["bucket"], store.secret_sealed) == ("awan", sealed)
    new = {**given, "access_key": "kunci-baru", "secret": "rahasia-baru"}
    assert admin.post("/stores/awan/edit", data=new).status_code == 303
    db.session.rollback()
    store = stores.get_store("awan")
    assert (store.mark, store.place["access_key"]) == (mark, "kunci-baru")
    assert stores.secret_of(store) == "rahasia-baru"
    assert store.failing_since is None
