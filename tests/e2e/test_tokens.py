"""API tokens as a person meets them, and as their program then uses them."""

import pytest
from playwright.sync_api import APIResponse, Page, expect

from tests.e2e.test_alerts import picture
from tests.e2e.test_panel import _sign_in
from tests.factories import make_village

pytestmark = pytest.mark.e2e


def _ask(page: Page, token: str) -> APIResponse:
    """Ask for the villages, as a program does."""
    return page.request.get("/api/v1/villages", headers={"Authorization": f"Bearer {token}"})


def test_a_token_is_made_used_and_revoked(page: Page):
    make_village(name="Bajera")
    _sign_in(page)
    page.goto("/password")
    page.get_by_role("link", name="Token API saya").click()
    expect(page.get_by_text("Belum ada token.")).to_be_visible()
    page.get_by_role("link", name="Buat token").click()
    page.get_by_label("Nama token").fill("Laporan mingguan")
    page.get_by_label("Melihat desa dan situsnya").check()
    page.get_by_label("Berlaku berapa hari").fill("30")
    picture(page, "token-new")
    page.get_by_role("button", name="Buat token").click()
    token = page.locator("code.secret").inner_text()
    picture(page, "token-secret")
    assert _ask(page, token).json()["items"][0]["name"] == "Bajera"

    page.get_by_role("link", name="Sudah dicatat").click()
    row = page.get_by_role("row", name="Laporan mingguan")
    expect(row).to_contain_text("127.0.0.1")
    assert token not in page.content()
    picture(page, "token-list")
    row.get_by_role("button", name="Cabut").click()
    expect(page.get_by_role("status")).to_contain_text("Token dicabut")
    assert _ask(page, token).status == 401
