"""The page from which a panel is made ready to be lost."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from siappakai.credentials import open_text
from siappakai.domain.recovery_kit import Kit
from siappakai.models import RegistryCopy, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import backup_keys, recovery_kits, registry_backups
from siappakai.services.recovery_kits import KitState
from tests.factories import BY, make_release, make_site
from tests.unit.services.test_backups import make_store

pytestmark = pytest.mark.usefixtures("panel")
NAG = "armadanya belum dapat dikembalikan"


@pytest.fixture
def key(panel: Flask) -> str:
    make_store()
    return backup_keys.make_recovery_key(by=BY)[0]


def test_the_dashboard_nags_admins_until_a_kit_is_confirmed(
    admin: FlaskClient, operator: FlaskClient
) -> None:
    assert NAG not in admin.get("/").text, "there is nothing to lose yet"
    make_site(release=make_release())
    assert NAG in admin.get("/").text
    assert NAG not in operator.get("/").text
    make_store()
    key = backup_keys.make_recovery_key(by=BY)[0]
    assert NAG in admin.get("/").text
    shown = admin.post("/recovery/kit").text
    kit = Kit.read(open_text(shown, key))
    assert kit.stores[0].name == "gudang"
    wrong = admin.post("/recovery/kit/confirm", data={"number": "AAAA-AAAA"})
    assert wrong.status_code == 422
    assert "bukan milik kit" in wrong.text
    assert NAG in admin.get("/").text
    typed = kit.number.lower().replace("-", " ")
    assert admin.post("/recovery/kit/confirm", data={"number": typed}).status_code == 303
    assert NAG not in admin.get("/").text
    make_store("lain")
    assert NAG in admin.get("/").text
    assert "Usang" in admin.get("/recovery/").text


def test_the_kit_shows_its_number_and_no_secret(admin: FlaskClient, key: str) -> None:
    shown = admin.post("/recovery/kit").text
    kit = Kit.read(open_text(shown, key))
    assert re.search(rf"Nomor kit +: {kit.number}", shown)
    for secret in (*kit.key_ring, kit.ssh_private, key):
        assert secret not in shown
    assert "data:text/plain" in shown


def test_the_newest_backup_is_shown_and_one_can_be_asked_for(
    operator: FlaskClient, viewer: FlaskClient, key: str
) -> None:
    store = make_store("tepat")
    with transaction() as session:
        copy = RegistryCopy(
            store_id=store.id,
            name="registry-20261122T050000Z-00000000.age",
            taken_at=utc_now() - timedelta(days=9),
            size=2048,
            sha256="0" * 64,
            checked_at=utc_now(),
        )
        session.add(copy)
        store.created_at -= timedelta(days=10)
    page = viewer.get("/recovery/").text
    assert "registry-20261122T050000Z-00000000.age" in page
    assert "Cadangkan registri sekarang" not in page
    assert operator.post("/recovery/backup").status_code == 303
    db.session.expire_all()
    assert {one.name for one in registry_backups.due_stores(utc_now())} == {"gudang", "tepat"}


def test_without_a_store_there_is_nothing_to_make(admin: FlaskClient) -> None:
    assert recovery_kits.standing().state is KitState.IMPOSSIBLE
    assert "backup make-key" in admin.get("/recovery/").text
    assert admin.post("/recovery/kit").status_code == 403
    assert admin.post("/recovery/backup").status_code == 403
