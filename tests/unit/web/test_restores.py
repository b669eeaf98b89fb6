"""Restoring by the panel: compared first, confirmed with the village's code, taken back."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from siappakai.domain.backups import CopyState
from siappakai.domain.codes import dotted
from siappakai.domain.states import RunState, SiteState
from siappakai.models import Backup, BackupCopy, Run, Site, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import restorations
from tests.factories import BY, make_release, make_site
from tests.unit.services.test_backups import make_store
from tests.unit.services.test_restorations import keep_state, open_backup

CHANGE = {
    "tables": [{"table": "tweb_penduduk", "now": 3, "then": 4812}],
    "same": 243,
    "rows": {"now": 10, "then": 4900},
    "files": {"now": {"count": 5, "bytes": 1}, "then": {"count": 6, "bytes": 1}},
    "left_out": 2,
    "blocks": [],
}


@pytest.fixture
def site(registry: object) -> Site:
    return make_site(release=make_release(), state=SiteState.ACTIVE)


def _looked(site: Site, **changes: object) -> None:
    open_backup(site)
    run = restorations.request(site, scope="database", only_look=True, by=BY)
    with transaction():
        run.state = run.targets[0].state = RunState.SUCCEEDED
        run.targets[0].result = {**CHANGE, **changes}


def _newest() -> Run:
    db.session.rollback()
    run = db.session.query(Run).order_by(Run.id.desc()).first()
    assert run is not None
    return run


def test_what_would_change_is_shown_and_the_code_typed(admin: FlaskClient, site: Site) -> None:
    path = f"/villages/{site.village.code}/restore"
    assert "Pulihkan sekarang" not in admin.get(path).text
    refused = admin.post(f"{path}/confirm", data={"typed_code": site.village.code})
    assert "Perbedaannya belum dilihat" in refused.text
    _looked(site)
    page = admin.get(path).text
    assert "tweb_penduduk" in page
    assert "4812" in page
    wrong = admin.post(f"{path}/confirm", data={"typed_code": "51.02.01.2999"})
    assert wrong.status_code == 422
    assert _newest().play == "compare"
    sent = admin.post(f"{path}/confirm", data={"typed_code": dotted(site.village.code)})
    assert sent.status_code == 303
    assert (_newest().play, _newest().options["scope"]) == ("restore", "database")


def test_a_backup_that_does_not_fit_cannot_be_confirmed(admin: FlaskClient, site: Site) -> None:
    _looked(site, blocks=["other_release"])
    page = admin.get(f"/villages/{site.village.code}/restore").text
    assert "tidak cocok dengan situsnya" in page
    assert "Pulihkan sekarang" not in page


def test_a_look_is_asked_for_with_the_key_or_the_opened_backup(
    admin: FlaskClient, site: Site
) -> None:
    path = f"/villages/{site.village.code}/restore"
    backup = open_backup(site)
    with transaction():
        _store(backup)
    given = {"backup_id": str(backup.id), "kind": "folder", "part": "../etc"}
    refused = admin.post(path, data=given)
    assert "tidak dapat dipulihkan sendiri" in refused.text
    wrong = admin.post(path, data={**given, "key": "bukan kunci", "kind": "site"})
    assert "Itu bukan kunci pemulihan." in wrong.text
    assert admin.post(path, data={**given, "part": "upload"}).status_code == 303
    assert _newest().options["scope"] == "folder:upload"


def _store(backup: Backup) -> None:
    store = make_store()
    db.session.add(BackupCopy(backup_id=backup.id, store_id=store.id, state=CopyState.STORED))


def test_what_is_kept_is_told_and_can_be_taken_back(
    admin: FlaskClient, viewer: FlaskClient, site: Site
) -> None:
    page, path = f"/villages/{site.village.code}", f"/villages/{site.village.code}/restore"
    assert "Batalkan pemulihan" not in admin.get(page).text
    assert admin.post(f"{path}/undo").status_code == 409
    keep_state(site)
    assert "Batalkan pemulihan" in admin.get(page).text
    assert "Batalkan pemulihan" not in viewer.get(page).text
    assert admin.post(f"{path}/undo").status_code == 303
    assert _newest().play == "undo"
    assert admin.post(f"{path}/forget").status_code == 303
    assert _newest().play == "forget"
    until = utc_now() + timedelta(days=3)
    keep_state(site, serving="old", until=until.isoformat())
    assert "Pakai lagi hasil pemulihan" in admin.get(page).text
