"""What the buttons do, and what is said when they cannot."""

import io

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from siappakai.domain.states import RunState, SiteState
from siappakai.models import AuditEntry, Release, Run, Site, User, Village, db
from siappakai.models.transactions import transaction
from siappakai.services import accounts, places
from siappakai.services import settings as registry_settings
from tests.factories import (
    make_regency,
    make_release,
    make_run,
    make_server,
    make_site,
    make_user,
    make_village,
)


def _all(model):
    # The panel has written through a session of its own; look at what is there now.
    db.session.rollback()
    db.session.expire_all()
    return list(db.session.scalars(select(model).order_by(model.id)))


def test_a_selection_is_planned_and_installed_in_one_go(operator: FlaskClient):
    server, release = make_server(), make_release()
    new, planned = make_village(name="Baru"), make_site(make_village(name="Lama"), server)
    codes = [new.code, planned.village.code]

    choice = operator.post("/sites/install/choose", data={"village": codes})
    assert "Baru" in choice.text
    assert planned.domain in choice.text
    answer = operator.post(
        "/sites/install",
        data={
            "village": codes,
            f"domain-{new.code}": "baru.desa.id",
            "server_id": server.id,
            "release_id": release.id,
        },
    )

    (run,) = _all(Run)
    assert answer.headers["Location"] == f"/runs/{run.id}"
    assert {site.domain for site in _all(Site)} == {"baru.desa.id", planned.domain}
    assert len(run.targets) == 2


def test_one_bad_domain_is_named_and_nothing_is_planned(operator: FlaskClient):
    server, release = make_server(), make_release()
    good, bad = make_village(name="Baik"), make_village(name="Buruk")
    answer = operator.post(
        "/sites/install",
        data={
            "village": [good.code, bad.code],
            f"domain-{good.code}": "baik.desa.id",
            f"domain-{bad.code}": "bukan domain",
            "server_id": server.id,
            "release_id": release.id,
        },
    )

    assert answer.status_code == 422
    assert f'id="domain-{bad.code}-error"' in answer.text
    assert 'value="baik.desa.id"' in answer.text
    assert _all(Site) == []
    assert _all(Run) == []


def test_a_server_that_is_not_ready_is_said_on_the_form(operator: FlaskClient):
    server, release = make_server(state="enrolled"), make_release()
    site = make_site(server=server)
    answer = operator.post(
        "/sites/install", data={"village": [site.village.code], "release_id": release.id}
    )

    assert answer.status_code == 403
    assert "belum siap" in answer.text
    assert "Pasang 1 situs" in answer.text


def test_the_whole_of_a_filter_can_be_chosen(operator: FlaskClient):
    sites = [make_site(release=make_release()) for _ in range(3)]
    make_site()
    operator.post("/sites/health", data={"whole": "1", "state": "active"})

    (run,) = _all(Run)
    assert {target.site_id for target in run.targets} == {site.id for site in sites}


def test_an_empty_selection_says_what_to_do(operator: FlaskClient):
    answer = operator.post("/sites/install/choose", data={})

    assert answer.status_code == 422
    assert "Centang paling sedikit satu desa" in answer.text


def test_removal_asks_for_the_number_to_be_typed(admin: FlaskClient):
    sites = [make_site(release=make_release()) for _ in range(2)]
    chosen = {"village": [site.village.code for site in sites]}

    assert "Ketik jumlahnya" in admin.post("/sites/remove/choose", data=chosen).text
    wrong = admin.post("/sites/remove", data={**chosen, "confirmed_count": 1})
    assert wrong.status_code == 422
    assert _all(Run) == []
    admin.post("/sites/remove", data={**chosen, "confirmed_count": 2})
    assert [run.play for run in _all(Run)] == ["remove"]


def test_the_admin_login_of_a_site_is_shown_on_request_and_audited(admin: FlaskClient):
    site = make_site()
    answer = admin.post(f"/sites/{site.id}/admin-login")

    assert 'class="secret"' in answer.text
    assert admin.get(f"/sites/{site.id}/admin-login").status_code == 405
    assert "site.reveal" in [entry.action for entry in _all(AuditEntry)]


def test_a_database_password_is_renewed_by_a_run(admin: FlaskClient):
    site = make_site(release=make_release())
    assert "Ganti kata sandi basis data" in admin.get(f"/villages/{site.village.code}").text
    before = site.db_password_sealed
    answer = admin.post("/sites/db-passwords", data={"village": site.village.code})

    db.session.rollback()
    assert answer.headers["Location"].startswith("/runs/")
    assert site.db_password_sealed != before
    assert [run.play for run in _all(Run)] == ["install"]
    assert "Ganti kata sandi" not in admin.get(f"/villages/{make_site().village.code}").text


def test_an_import_is_previewed_then_confirmed(operator: FlaskClient):
    make_regency()
    file = (
        b"kode_desa,nama_desa,nama_kecamatan\n"
        b"51.02.01.2001,Bajera,Selemadeg\n51.02.01.2002,Wanagiri,Selemadeg\n"
    )
    sent = operator.post("/import/", data={"file": (io.BytesIO(file), "desa.csv")})
    preview = sent.headers["Location"]

    assert "2 desa baru" in operator.get(preview).text
    assert _all(Village) == []
    done = operator.post(f"{preview}/apply", follow_redirects=True)
    assert "Impor selesai: 2 desa baru" in done.text
    assert [village.name for village in _all(Village)] == ["Bajera", "Wanagiri"]
    assert operator.get(preview).status_code == 404


def test_problems_of_an_import_are_shown_by_row_and_column(operator: FlaskClient):
    make_regency()
    file = b"kode_desa,nama_desa,nama_kecamatan\n99,Bajera,Selemadeg\n"
    sent = operator.post("/import/", data={"file": (io.BytesIO(file), "desa.csv")})
    page = operator.get(sent.headers["Location"]).text

    assert "1 kesalahan" in page
    assert "<code>kode_desa</code>" in page
    assert operator.post(f"{sent.headers['Location']}/apply").status_code == 409
    assert operator.post(f"{sent.headers['Location']}/discard").status_code == 303
    assert _all(Village) == []


def test_a_long_import_is_shown_in_pages(operator: FlaskClient):
    make_regency()
    rows = "".join(f"51.02.01.2{number:03},Desa {number},\n" for number in range(1, 152))
    file = b"kode_desa,nama_desa,nama_kecamatan\n" + rows.encode()
    sent = operator.post("/import/", data={"file": (io.BytesIO(file), "desa.csv")})
    address = sent.headers["Location"]
    first, second = operator.get(address).text, operator.get(f"{address}?page=2").text

    assert "<td>Desa 100</td>" in first
    assert "<td>Desa 101</td>" not in first
    assert "<td>Desa 151</td>" in second
    # The problems have pages of their own: turning one leaves the other where it is.
    assert 'class="still">102</td>' not in first.partition('id="rows"')[0]
    assert 'class="still">102</td>' in operator.get(f"{address}?problems=2").text
    assert "page=2&amp;problems=2" in operator.get(f"{address}?page=2").text


def test_an_unreadable_file_is_refused_beside_its_field(operator: FlaskClient):
    make_regency()
    answer = operator.post("/import/", data={"file": (io.BytesIO(b"\x00\xff\x00"), "x.xlsx")})

    assert answer.status_code == 422
    assert 'id="file-error"' in answer.text
    assert 'id="file-error"' in operator.post("/import/", data={}).text


def test_the_list_is_exported_as_a_file(viewer: FlaskClient):
    make_village(name="Bajera")
    answer = viewer.get("/import/export.csv")

    assert "Bajera" in answer.text
    assert answer.headers["Content-Disposition"] == 'attachment; filename="desa.csv"'


def test_a_village_is_registered_renamed_and_deleted(admin: FlaskClient):
    make_village()
    answer = admin.post("/villages/new", data={"kode_desa": "51.02.01.2009", "nama_desa": "Antap"})
    assert answer.headers["Location"] == "/villages/5102012009"
    assert admin.post("/villages/5102012009/rename", data={"nama_desa": ""}).status_code == 422
    admin.post("/villages/5102012009/rename", data={"nama_desa": "Antap Baru"})
    assert "Antap Baru" in admin.get("/villages/5102012009").text
    admin.post("/villages/5102012009/delete")
    assert admin.get("/villages/5102012009").status_code == 404


@pytest.mark.parametrize(
    ("field", "value"), [("kode_desa", "12"), ("nama_desa", ""), ("kode_desa", "11.01.01.2001")]
)
def test_bad_input_names_its_field_and_changes_nothing(operator: FlaskClient, field, value):
    make_regency()
    data = {"kode_desa": "51.02.01.2009", "nama_desa": "Antap", "district_name": "Selemadeg"}
    answer = operator.post("/villages/new", data={**data, field: value})

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert _all(Village) == []


def test_a_run_is_cancelled_and_what_failed_retried(operator: FlaskClient):
    waiting = make_run("install", [make_site(wanted_release_id=make_release().id)])
    operator.post(f"/runs/{waiting.id}/cancel")
    assert operator.post(f"/runs/{waiting.id}/cancel").status_code == 409
    answer = operator.post(f"/runs/{waiting.id}/retry")

    again = _all(Run)[-1]
    assert answer.headers["Location"] == f"/runs/{again.id}"
    assert again.retry_of_id == waiting.id
    assert _all(Run)[0].state is RunState.CANCELLED


@pytest.mark.parametrize("play", ["server", "remove"])
def test_what_only_an_administrator_may_ask_for_nobody_else_repeats(
    operator: FlaskClient, play: str
):
    target = make_server() if play == "server" else make_site(release=make_release())
    run = make_run(play, [target], state=RunState.FAILED)

    page = operator.get(f"/runs/{run.id}").text
    assert "Ulangi yang gagal" not in page
    assert "Hapus situs…" not in page
    assert operator.post(f"/runs/{run.id}/retry").status_code == 403
    assert len(_all(Run)) == 1


def test_a_failed_removal_leads_back_to_the_typed_number(admin: FlaskClient):
    sites = [make_site(release=make_release()) for _ in range(2)]
    run = make_run("remove", sites, state=RunState.FAILED)
    with transaction():
        run.targets[0].state = RunState.SUCCEEDED

    page = admin.get(f"/runs/{run.id}").text
    assert 'action="/sites/remove/choose"' in page
    assert f'value="{sites[1].village.code}"' in page
    assert f'value="{sites[0].village.code}"' not in page
    refused = admin.post(f"/runs/{run.id}/retry")
    assert refused.status_code == 403
    assert "siappakai site remove" in refused.text


def test_a_certificate_is_named_or_refused_beside_its_field(admin: FlaskClient):
    site = make_site(release=make_release())
    url = f"/villages/{site.village.code}/certificate"
    chain, key = "/etc/ssl/desa/chain.pem", "/etc/ssl/desa/key.pem"
    refused = admin.post(url, data={"certificate": chain, "certificate_key": ""})
    assert refused.status_code == 422
    assert 'id="certificate_key-error"' in refused.text
    assert _all(Site)[0].certificate == ""
    done = admin.post(
        url, data={"certificate": chain, "certificate_key": key}, follow_redirects=True
    )
    assert "Pasang ulang situsnya agar berlaku." in done.text
    assert f'value="{key}"' in done.text
    assert (_all(Site)[0].certificate, _all(Site)[0].certificate_key) == (chain, key)
    make_run("health", [site])
    busy = admin.post(url, data={})
    assert busy.status_code == 409
    assert admin.post(f"/villages/{make_village().code}/certificate").status_code == 404


def test_php_seen_is_noted_for_a_release(admin: FlaskClient):
    make_release()
    assert admin.post("/releases/v2410.0.0/seen", data={"php": "x"}).status_code == 422
    admin.post("/releases/v2410.0.0/seen", data={"php": "8.3"})

    assert _all(Release)[0].php_versions == ["8.2", "8.3"]


def test_people_are_added_and_their_password_shown_once(admin: FlaskClient):
    answer = admin.post("/users/new", data={"username": "wayan", "role": "operator"})
    db.session.rollback()
    user = accounts.find_user("wayan")

    assert 'class="secret"' in answer.text
    assert user is not None
    assert user.must_change_password
    assert admin.post("/users/new", data={"role": "viewer"}).status_code == 422
    again = admin.post("/users/new", data={"username": "wayan", "role": "viewer"})
    assert again.status_code == 409
    assert "sudah dipakai" in again.text


def test_accounts_are_changed_closed_and_opened(admin: FlaskClient):
    user = make_user("wayan")
    for action, data in (
        ("role", {"role": "viewer"}),
        ("sessions/end", {}),
        ("disable", {}),
        ("enable", {}),
    ):
        assert admin.post(f"/users/{user.id}/{action}", data=data).status_code == 303
    assert 'class="secret"' in admin.post(f"/users/{user.id}/password").text
    assert admin.post(f"/users/{user.id}/role", data={"role": "king"}).status_code == 400
    actions = [entry.action for entry in _all(AuditEntry)]
    assert actions[-5:] == [
        "user.set_role",
        "user.end_sessions",
        "user.disable",
        "user.enable",
        "user.reset_password",
    ]


def test_the_last_administrator_stays(admin: FlaskClient):
    (only,) = _all(User)

    assert admin.post(f"/users/{only.id}/disable").status_code == 403
    assert admin.post(f"/users/{only.id}/role", data={"role": "viewer"}).status_code == 403


def test_settings_are_saved_or_refused_beside_their_field(admin: FlaskClient):
    regency = {
        "code": "51.02",
        "name": "Tabanan",
        "province_name": "Bali",
        "village_word": "desa",
        "hamlet_word": "banjar",
    }
    assert admin.post("/settings/regency", data={**regency, "code": "5"}).status_code == 422
    assert admin.post("/settings/regency", data=regency).status_code == 303
    db.session.rollback()
    assert places.get_regency().hamlet_word == "banjar"

    fleet = {"parallelism": "12", "timezone": "Asia/Makassar"}
    assert admin.post("/settings/fleet", data={**fleet, "parallelism": "0"}).status_code == 422
    admin.post("/settings/fleet", data=fleet)
    db.session.rollback()
    assert registry_settings.global_parallelism() == 12
    assert "WITA" in admin.get("/settings/").text


def test_the_official_list_is_loaded(admin: FlaskClient):
    assert admin.post("/settings/official-list", data={}).status_code == 422
    assert not places.has_official_list()


def test_the_trail_is_filtered(admin: FlaskClient):
    make_user("wayan")
    assert "wayan" in admin.get("/audit/?action=user.").text
    assert "Tidak ada yang cocok" in admin.get("/audit/?actor=nobody").text


def test_a_planned_site_is_not_called_installed(viewer: FlaskClient):
    site = make_site()

    assert site.state is SiteState.PLANNED
    assert "Direncanakan" in viewer.get(f"/villages/{site.village.code}").text
