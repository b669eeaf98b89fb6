"""The panel as a person meets it, in headless Chromium."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from siappakai.domain.states import RunState, StepState
from siappakai.models import Run, Step, utc_now
from siappakai.models.transactions import transaction
from tests.factories import (
    PASSWORD,
    make_regency,
    make_release,
    make_run,
    make_server,
    make_site,
    make_user,
    make_village,
)

pytestmark = pytest.mark.e2e


def _sign_in(page: Page) -> None:
    make_user("admin")
    page.goto("/")
    page.get_by_label("Nama pengguna").fill("admin")
    page.get_by_label("Kata sandi").fill(PASSWORD)
    page.get_by_role("button", name="Masuk").click()
    expect(page.get_by_role("heading", name="Dasbor")).to_be_visible()


@pytest.fixture
def fleet() -> Run:
    """Three villages, and a run that is at work on them."""
    server = make_server("Kominfo")
    sites = [
        make_site(make_village(name=f"Sawah {number}"), server, release=make_release())
        for number in range(1, 4)
    ]
    run = make_run("install", sites, state=RunState.RUNNING, started_at=utc_now())
    with transaction() as session:
        for target in run.targets:
            target.started_at = utc_now()
            session.add(Step(target_id=target.id, name="Make folder", state=StepState.OK))
    return run


def test_a_wrong_password_is_refused_in_words(page: Page):
    make_user("admin")
    page.goto("/villages/")
    page.get_by_label("Nama pengguna").fill("admin")
    page.get_by_label("Kata sandi").fill("salah sekali")
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert")).to_contain_text("Nama pengguna atau kata sandi salah.")
    page.get_by_label("Kata sandi").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Desa", exact=True)).to_be_visible()


def test_language_and_appearance_are_switched(page: Page):
    _sign_in(page)
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    page.get_by_role("button", name="Dark").click()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(16, 22, 21)"


def test_the_list_is_searched_while_typing_and_selected_at_once(page: Page, fleet: Run):
    _sign_in(page)
    page.goto("/villages/")
    page.get_by_label("Cari nama, kode, atau domain").press_sequentially("Sawah 2")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert "query=Sawah" in page.url

    page.goto("/villages/")
    install = page.get_by_role("button", name="Pasang…")
    expect(install).to_be_disabled()
    page.get_by_label("Pilih semua di halaman ini").check()
    expect(page.locator("[data-count]")).to_have_text("3")
    install.click()
    expect(page.get_by_role("button", name="Pasang 3 situs")).to_be_enabled()


def test_a_whole_page_is_not_the_whole_filter(page: Page):
    server = make_server()
    for number in range(60):
        make_site(make_village(name=f"Sawah {number:02}"), server, release=make_release())
    _sign_in(page)
    page.goto("/villages/")
    whole = page.get_by_label("seluruh 60 desa saringan ini")
    page.get_by_label("Pilih semua di halaman ini").check()
    expect(whole).not_to_be_checked()
    expect(page.locator("[data-count]")).to_have_text("50")
    page.get_by_label("Pilih semua di halaman ini").uncheck()
    expect(page.get_by_role("button", name="Pasang…")).to_be_disabled()
    whole.check()
    expect(page.locator("[data-count]")).to_have_text("60")
    page.get_by_role("button", name="Pasang…").click()
    expect(page.get_by_role("button", name="Pasang 60 situs")).to_be_enabled()


def test_a_list_is_imported_after_a_look(page: Page, tmp_path: Path):
    make_regency()
    bad, good = tmp_path / "salah.csv", tmp_path / "benar.csv"
    heading = "kode_desa,nama_desa,nama_kecamatan\n"
    bad.write_text(f"{heading}12,Bajera,Selemadeg\n")
    good.write_text(f"{heading}51.02.01.2001,Bajera,Selemadeg\n")
    _sign_in(page)

    page.goto("/import/")
    page.get_by_label("Berkas CSV atau XLSX").set_input_files(bad)
    page.get_by_role("button", name="Periksa berkas").click()
    expect(page.get_by_role("alert")).to_contain_text("1 kesalahan")
    page.get_by_role("link", name="Unggah lagi").click()
    page.get_by_label("Berkas CSV atau XLSX").set_input_files(good)
    page.get_by_role("button", name="Periksa berkas").click()
    page.get_by_role("button", name="Impor 1 desa").click()

    expect(page.get_by_role("status")).to_contain_text("1 desa baru")
    expect(page.get_by_role("link", name="Bajera")).to_be_visible()


def test_a_run_is_followed_to_its_end_without_reloading(page: Page, fleet: Run):
    _sign_in(page)
    page.goto(f"/runs/{fleet.id}")
    expect(page.get_by_text("0 dari 3 selesai")).to_be_visible()

    with transaction():
        for target in fleet.targets:
            target.state, target.ended_at = RunState.SUCCEEDED, utc_now()
    expect(page.get_by_text("3 dari 3 selesai")).to_be_visible()
    with transaction():
        fleet.state, fleet.ended_at = RunState.SUCCEEDED, utc_now()
    expect(page.locator("#live:not([hx-trigger])")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert asked == []


def test_a_person_is_added_and_signs_in_with_a_password_of_their_own(page: Page):
    _sign_in(page)
    page.goto("/users/new")
    page.get_by_label("Nama pengguna").fill("wayan")
    page.get_by_label("Operator").check()
    page.get_by_role("button", name="Buat akun").click()
    password = page.locator("code.secret").inner_text()

    page.get_by_role("button", name="Keluar").click()
    page.get_by_label("Nama pengguna").fill("wayan")
    page.get_by_label("Kata sandi").fill(password)
    page.keyboard.press("Enter")
    page.get_by_label("Kata sandi sekarang").fill(password)
    page.get_by_label("Kata sandi baru", exact=True).fill("sawah hijau subak")
    page.get_by_label("Kata sandi baru, sekali lagi").fill("sawah hijau subak")
    page.get_by_role("button", name="Simpan").click()
    expect(page.get_by_role("heading", name="Dasbor")).to_be_visible()
    expect(page.get_by_role("link", name="Pengguna")).to_have_count(0)


def test_the_keyboard_reaches_the_content_first(page: Page):
    _sign_in(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Langsung ke isi")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
