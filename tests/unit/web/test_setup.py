"""The first run in the panel: one step at a time, on every page, until it is over."""

import pytest
from flask.testing import FlaskClient

from siappakai.domain.states import RunState, ServerState, SiteState
from siappakai.models.transactions import transaction
from tests.factories import (
    make_regency,
    make_release,
    make_run,
    make_server,
    make_site,
    make_village,
)

GUIDE = "Lanjutkan penyiapan"


def test_an_admin_of_an_empty_registry_is_led_to_the_first_step(admin: FlaskClient):
    home = admin.get("/").text
    assert "Penyiapan, langkah 1 dari 6: Isi data kabupaten." in home
    assert "Mulai penyiapan" in home
    page = admin.get("/setup/").text
    assert GUIDE not in page
    assert page.count('aria-current="step"') == 1
    assert "Buka Pengaturan" in page


def test_others_are_not_bothered(operator: FlaskClient):
    home = operator.get("/").text
    assert GUIDE not in home
    assert "Impor desa" in home
    assert operator.get("/setup/").status_code == 403


def test_it_follows_what_is_done_on_other_pages(admin: FlaskClient):
    form = {"code": "51.02", "name": "Tabanan", "province_name": "Bali"}
    form |= {"village_word": "desa", "hamlet_word": "banjar"}
    after = admin.post("/settings/regency", data=form, follow_redirects=True).text
    assert "Penyiapan, langkah 2 dari 6: Impor daftar desa." in after
    page = admin.get("/setup/").text
    assert "Tabanan, Bali" in page
    assert "Buka Pengaturan" not in page


def test_a_server_is_prepared_from_here_and_its_run_is_shown(admin: FlaskClient):
    make_village()
    server = make_server("Kominfo", state=ServerState.ENROLLED)
    assert f'action="/servers/{server.id}/prepare"' in admin.get("/setup/").text
    run = make_run("server", [server], state=RunState.RUNNING)
    page = admin.get("/setup/").text
    assert f'href="/runs/{run.id}"' in page
    assert "Berjalan" in page


def test_the_first_village_is_chosen_here(admin: FlaskClient):
    village = make_village(name="Bajera")
    make_village(name="Antap")
    make_server()
    make_release()
    page = admin.get("/setup/").text
    assert page.index("Antap") < page.index("Bajera")
    chosen = admin.post("/sites/install/choose", data={"village": village.code}).text
    assert "Bajera" in chosen


def test_a_first_install_that_failed_can_be_opened_and_tried_again(admin: FlaskClient):
    site = make_site(release=make_release(), state=SiteState.BROKEN)
    run = make_run("install", [site], state=RunState.FAILED)
    page = admin.get("/setup/").text
    assert "Gagal" in page
    assert f'href="/runs/{run.id}"' in page
    assert "Lanjut memasang" in page


def test_it_is_gone_once_a_site_is_there(admin: FlaskClient):
    site = make_site(release=make_release())
    assert GUIDE not in admin.get("/").text
    page = admin.get("/setup/").text
    assert "Menyiapkan cadangan" in page
    for link in ("/stores/new-folder", "/recovery/", "/backups/"):
        assert f'href="{link}"' in page
    assert "Sekarang" not in page, "what is left are backups"
    with transaction():
        site.state, site.installed_at = SiteState.REMOVED, site.created_at
    assert GUIDE not in admin.get("/villages/").text


@pytest.mark.parametrize("language", ["id", "en"])
def test_every_step_is_made_in_both_languages(admin: FlaskClient, language: str):
    admin.post("/preferences", data={"language": language})
    expected = {"id": "Sekarang", "en": "Now"}[language]
    for make in (lambda: None, make_regency, make_village, _enrolled, make_server, make_release):
        make()
        assert expected in admin.get("/setup/").text


def _enrolled() -> None:
    make_server(state=ServerState.ENROLLED)
