"""Schedules as a person meets them."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from siappakai.domain.recurrence import Every, Recurrence
from siappakai.models import Schedule
from siappakai.models.transactions import transaction
from siappakai.services import firing, schedules, settings
from siappakai.services.schedule_orders import Order
from tests.e2e.test_alerts import picture
from tests.e2e.test_panel import _sign_in
from tests.factories import BY, make_release, make_server, make_site, make_village

pytestmark = pytest.mark.e2e

# 02:00 in Jakarta, two hours after the mark.
DUE = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)


def test_one_is_made_paused_and_resumed(page: Page):
    make_server("Kominfo")
    _sign_in(page)
    page.get_by_role("link", name="Jadwal").click()
    expect(page.get_by_text("Belum ada jadwal")).to_be_visible()
    page.get_by_role("link", name="Buat jadwal").click()
    page.get_by_label("Nama jadwal").fill("Periksa mingguan")
    expect(page.get_by_label("Senin")).to_be_hidden()
    page.get_by_label("Hari tertentu dalam minggu").check()
    page.get_by_label("Senin").check()
    page.get_by_label("Jumat").check()
    expect(page.get_by_label("Tanggal", exact=True)).to_be_hidden()
    page.get_by_label("Pukul").fill("01:30")
    picture(page, "schedule-new")
    page.get_by_role("button", name="Buat jadwal").click()
    expect(page.get_by_role("status")).to_contain_text("Jadwal dibuat.")
    expect(page.get_by_text("Setiap Senin, Jumat pukul 01.30")).to_be_visible()
    expect(page.get_by_role("region", name="Lima waktu").get_by_role("listitem")).to_have_count(5)
    page.get_by_role("button", name="Jeda").click()
    expect(page.get_by_text("Jadwal ini dijeda")).to_be_visible()
    page.get_by_role("button", name="Jalankan lagi").click()
    expect(page.get_by_text("Jadwal ini dijeda")).to_have_count(0)


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")], ids=str
)
def test_its_pages_fit_the_screen(page: Page, width: int, scheme: str):
    number = _eventful()
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    _sign_in(page)
    for name, url in (
        ("dashboard", "/"),
        ("schedules", "/schedules/"),
        ("schedule", f"/schedules/{number}"),
        ("new", "/schedules/new"),
    ):
        page.goto(url)
        picture(page, f"{name}-{scheme}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, url


def _eventful() -> int:
    """A schedule that was carried out, refused and missed; its number."""
    make_site(make_village(), make_server("Kominfo"), release=make_release())
    made = schedules.create_schedule(name="Periksa malam", order=_order("health"), by=BY)
    schedules.create_schedule(name="Rapikan", order=_order("prune"), by=BY, is_paused=True)
    with transaction() as session:
        session.get_one(Schedule, made.id).settled_until = "2026-11-23T00:00:00"
    firing.fire_due(DUE)
    firing.fire_due(DUE + timedelta(days=1))
    settings.set_drain(drain=True, by=BY)
    firing.fire_due(DUE + timedelta(days=2))
    settings.set_drain(drain=False, by=BY)
    firing.fire_due(DUE + timedelta(days=3, hours=3))
    return made.id


def _order(action: str) -> Order:
    return Order(action, Recurrence(Every.DAY, "02:00"))
