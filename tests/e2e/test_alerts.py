"""Alerts and channels as a person meets them."""

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from siappakai.domain.alerts import AlertKind, Finding, Severity
from siappakai.models import Channel, Delivery, db, utc_now
from siappakai.services import alerts, deliveries
from tests.e2e.test_panel import _sign_in
from tests.receivers import receiving

pytestmark = pytest.mark.e2e

FINDINGS = [
    Finding(AlertKind.QUEUE_DOWN, "queue", "Redis", Severity.CRITICAL, "1"),
    Finding(
        AlertKind.DISK_FILLING,
        "server:1",
        "Kominfo",
        Severity.WARNING,
        "1",
        {"percent": 9, "free": "7.4"},
    ),
    Finding(
        AlertKind.CERTIFICATE_EXPIRING,
        "server:1:certificate:1",
        "sawah.desa.id (+79)",
        Severity.INFO,
        "1",
        {"until": "2026-12-20T00:00:00+00:00", "path": "/etc/ssl/desa.pem", "server": "Kominfo"},
    ),
]


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody asked for pictures."""
    folder = os.environ.get("SIAPPAKAI_TEST_PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_alerts_are_read_and_taken_note_of(page: Page):
    alerts.reconcile(FINDINGS, utc_now())
    _sign_in(page)
    page.get_by_role("link", name="Peringatan 3 belum diketahui").click()
    expect(page.get_by_role("heading", name="Peringatan")).to_be_visible()
    picture(page, "alerts")
    page.get_by_role("navigation", name="Saring menurut kegentingan").get_by_text("Genting").click()
    expect(page.get_by_text("Disk hampir penuh")).to_have_count(0)
    page.get_by_role("link", name="Antrean (Redis) tidak menjawab").click()
    page.get_by_role("button", name="Tandai sudah diketahui").click()
    expect(page.get_by_role("status")).to_contain_text("sudah diketahui")
    picture(page, "alert")
    page.get_by_role("link", name="Peringatan 2 belum diketahui").click()
    page.get_by_role("button", name="Tandai semua sudah diketahui").click()
    expect(page.get_by_text("Tidak ada peringatan di sini")).to_be_visible()


def test_a_webhook_is_added_and_tried(page: Page):
    with receiving() as receiver:
        _sign_in(page)
        page.goto("/channels/new")
        page.get_by_label("Nama saluran").fill("Jaga malam")
        page.get_by_label("Webhook yang ditandatangani").check()
        page.get_by_label("Alamat").fill(f"http://{receiver.address}/pesan")
        page.get_by_label("Jam tenang mulai").fill("22:00")
        page.get_by_label("Jam tenang selesai").fill("06:00")
        picture(page, "channel-new")
        page.get_by_role("button", name="Tambah saluran").click()
        assert len(page.locator("code.secret").inner_text()) > 40
        page.get_by_role("link", name="Sudah dicatat").click()
        page.get_by_role("button", name="Kirim percobaan").click()
        expect(page.get_by_text("Menunggu")).to_be_visible()
        db.session.commit()
        deliveries.deliver(db.session.scalars(select(Channel.id)).one())
        # The page finds out by itself.
        expect(page.get_by_text("Terkirim")).to_be_visible()
        picture(page, "channel")
        assert json.loads(receiver.requests[0].body)["event"] == "test"
    assert db.session.scalars(select(Delivery)).one().attempts == 1
    page.goto("/channels/")
    expect(page.get_by_role("link", name="Jaga malam")).to_be_visible()
    picture(page, "channels")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_phones_and_both_themes(page: Page, theme: str, width: int):
    alerts.reconcile(FINDINGS, utc_now())
    page.emulate_media(color_scheme=theme)
    _sign_in(page)
    page.set_viewport_size({"width": width, "height": 860})
    for path in ("/alerts/", "/alerts/1", "/channels/", "/channels/new"):
        page.goto(path)
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) <= 0, path
        picture(page, f"{theme}-{width}{path.replace('/', '-')}")
