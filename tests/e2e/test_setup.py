"""From an empty registry to a village that is served, in front of Chromium, with real parts."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import delete, select

from siappakai.domain.naming import ServerLayout
from siappakai.domain.states import RunState, ServerState
from siappakai.models import Release, Run, Server, Setting, Site, db
from siappakai.models.transactions import transaction
from siappakai.services.settings import REQUIRE_TOTP_FOR_ADMINS
from tests.e2e.test_alerts import picture
from tests.e2e.test_every_page import CONTRAST, _barriers
from tests.e2e.test_panel import _sign_in
from tests.engine import INSTALLED_SECONDS, PARTS, Engine
from tests.factories import PASSWORD, make_release, make_server, make_village
from tests.playing import play, servers
from tests.sites import NEW, Fleet, _layout, stand_in_releases

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

LIST = "kode_desa,nama_desa,nama_kecamatan\n51.02.01.2001,Bajera,Selemadeg\n"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Where a server can be on this machine; nothing was done there yet."""
    layout = _layout()
    yield Fleet(layout, stand_in_releases(tmp_path))
    purged = play("purge", servers(layout))
    assert purged.succeeded, purged.text


@pytest.fixture
def empty(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine whose registry knows nothing yet; its releases are those of the stand-in."""
    monkeypatch.setenv("SIAPPAKAI_RELEASE_SOURCE", "/nowhere")
    monkeypatch.setenv("SIAPPAKAI_SERVER_MIN_FREE_BYTES", "1")
    with transaction() as session:
        for model in (Server, Release):
            session.execute(delete(model))
        session.merge(Setting(key=REQUIRE_TOTP_FOR_ADMINS, value=False))
    shutil.rmtree(engine.settings.state / "archives")
    engine.start(*PARTS, "panel")
    return engine


@pytest.fixture
def tab(chromium: Browser, empty: Engine) -> Iterator[Page]:
    context = chromium.new_context(base_url=f"http://127.0.0.1:{empty.settings.port}")
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def go_on(tab: Page, step: str) -> None:
    """Follow the guide that every page shows to the step that is due."""
    tab.goto("/villages/")
    guide = tab.get_by_text(step, exact=False)
    expect(guide).to_be_visible()
    tab.get_by_role("link", name="Lanjutkan penyiapan").click()
    expect(tab.get_by_role("heading", name="Penyiapan", exact=True)).to_be_visible()


def settle(engine: Engine) -> Run:
    """Wait for the end of the newest run, which succeeds."""
    db.session.commit()
    run = db.session.scalars(select(Run).order_by(Run.id.desc())).first()
    assert run is not None
    ended = engine.settle(run, INSTALLED_SECONDS)
    assert ended.state is RunState.SUCCEEDED, engine.told(run)
    return ended


def set_regency(tab: Page) -> None:
    tab.get_by_role("link", name="Buka Pengaturan").click()
    tab.get_by_label("Kode kabupaten").fill("51.02")
    tab.get_by_label("Nama kabupaten").fill("Tabanan")
    tab.get_by_label("Nama provinsi").fill("Bali")
    tab.get_by_role("region", name="Kabupaten").get_by_role("button", name="Simpan").click()


def import_list(tab: Page, file: Path) -> None:
    file.write_text(LIST)
    tab.get_by_role("link", name="Impor desa").click()
    tab.get_by_label("Berkas CSV atau XLSX").set_input_files(file)
    tab.get_by_role("button", name="Periksa berkas").click()
    tab.get_by_role("button", name="Impor 1 desa").click()


def leave_and_return(tab: Page) -> None:
    tab.get_by_role("button", name="Keluar").click()
    tab.get_by_label("Nama pengguna").fill("admin")
    tab.get_by_label("Kata sandi").fill(PASSWORD)
    tab.get_by_role("button", name="Masuk").click()
    expect(tab.get_by_role("heading", name="Dasbor")).to_be_visible()


def enrol_this_machine(tab: Page, layout: ServerLayout) -> None:
    tab.get_by_role("link", name="Daftarkan server").click()
    local = tab.get_by_role("region", name="Mesin panel ini sendiri")
    local.get_by_label("Nama server").fill("Server ini")
    local.get_by_text("Susunan di mesin itu").click()
    local.get_by_label("Layanan").select_option("private")
    local.get_by_label("Awalan nama").fill(layout.prefix)
    local.get_by_label("Folder akar").fill(layout.root)
    local.get_by_label("Porta HTTP", exact=True).fill(str(layout.http_port))
    local.get_by_label("Porta HTTPS").fill(str(layout.https_port))
    local.get_by_role("button", name="Daftarkan mesin ini").click()
    tab.get_by_label("Alamat HTTP").fill(layout.http_address)
    tab.get_by_role("button", name="Simpan").click()


def pin_release(tab: Page) -> None:
    tab.get_by_role("button", name="Lihat yang tersedia").click()
    row = tab.get_by_role("row").filter(has_text=NEW)
    row.get_by_role("button", name="Sematkan").click()
    expect(tab.get_by_role("status")).to_contain_text("disematkan")


def install_first(tab: Page) -> None:
    tab.get_by_label("Desa", exact=True).select_option("5102012001")
    tab.get_by_role("button", name="Lanjut memasang").click()
    tab.get_by_label("Bajera").fill("bajera.localhost")
    tab.get_by_role("button", name="Pasang 1 situs").click()
    expect(tab.get_by_role("heading", name="Pasang situs desa")).to_be_visible()


@pytest.mark.skipif(os.geteuid() != 0, reason="sites are installed as root")
def test_an_admin_is_led_to_the_first_village(empty: Engine, tab: Page, tmp_path: Path):
    _sign_in(tab)
    picture(tab, "setup-dashboard")
    go_on(tab, "langkah 1 dari 6: Isi data kabupaten.")
    picture(tab, "setup-1")
    set_regency(tab)
    go_on(tab, "langkah 2 dari 6: Impor daftar desa.")
    import_list(tab, tmp_path / "desa.csv")
    leave_and_return(tab)
    go_on(tab, "langkah 3 dari 6: Daftarkan server.")
    enrol_this_machine(tab, empty.fleet.layout)
    go_on(tab, "langkah 4 dari 6: Siapkan server.")
    tab.get_by_role("button", name="Siapkan Server ini").click()
    expect(tab.get_by_role("heading", name="Siapkan server")).to_be_visible()
    settle(empty)
    go_on(tab, "langkah 5 dari 6: Sematkan rilis.")
    pin_release(tab)
    go_on(tab, "langkah 6 dari 6: Pasang situs pertama.")
    picture(tab, "setup-6")
    install_first(tab)
    settle(empty)
    tab.goto("/setup/")
    expect(tab.get_by_role("heading", name="Menyiapkan cadangan")).to_be_visible()
    tab.goto("/")
    expect(tab.get_by_role("heading", name="Dasbor")).to_be_visible()
    expect(tab.get_by_text("Penyiapan")).to_have_count(0)
    assert empty.answers(db.session.scalars(select(Site)).one())


@pytest.mark.parametrize(
    ("width", "scheme", "rules"),
    [(1280, "light", {}), (1280, "dark", CONTRAST), (390, "light", {})],
    ids=["desk", "dark", "phone"],
)
def test_the_guide_is_fit_for_everybody(page: Page, width: int, scheme: str, rules: dict[str, Any]):
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    _sign_in(page)
    for number, make in enumerate((_nothing, _enrolled, _ready)):
        make()
        page.goto("/setup/")
        picture(page, f"guide-{number}-{scheme}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert _barriers(page, rules) == []


def _nothing() -> None:
    """An empty registry."""


def _enrolled() -> None:
    make_village(name="Bajera")
    make_server("Kominfo", state=ServerState.ENROLLED)


def _ready() -> None:
    make_server("Cadangan")
    make_release()
