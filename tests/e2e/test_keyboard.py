"""The panel without a mouse: signing in, installing a village, cancelling that, removing a site."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from siappakai.domain.states import SiteState
from siappakai.models import LoginSession, Run, Target, db, utc_now
from siappakai.models.transactions import transaction
from tests import factories
from tests.factories import PASSWORD

pytestmark = pytest.mark.e2e

_FARTHEST = 90
# What a screen reader would say of the element in focus.
_FOCUSED = """() => {
  const one = document.activeElement;
  if (one === document.body) return "";
  const label = one.labels && one.labels.length ? one.labels[0].textContent : "";
  return [one.getAttribute("aria-label") || label || one.textContent || "", one.tagName,
          getComputedStyle(one).outlineStyle].join("|");
}"""


def reach(page: Page, words: str) -> None:
    """Press Tab until what says `words` has the focus, and shows that it has."""
    for _ in range(_FARTHEST):
        said, _, rest = page.evaluate(_FOCUSED).partition("|")
        if rest and words in " ".join(said.split()):
            assert not rest.endswith("|none"), f"{words}: the focus cannot be seen"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches “{words}”")


def sign_in(page: Page, path: str) -> None:
    factories.make_user("admin")
    page.goto(path)
    page.keyboard.type("admin")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Desa", exact=True)).to_be_visible()


def test_a_village_is_installed_and_its_run_cancelled_by_keys_alone(page: Page) -> None:
    factories.make_server("Kominfo")
    factories.make_release()
    factories.make_village(name="Bajera")
    sign_in(page, "/villages/")
    reach(page, "Langsung ke isi")
    page.keyboard.press("Enter")
    reach(page, "Pilih Bajera")
    page.keyboard.press("Space")
    reach(page, "Pasang…")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Pasang situs")).to_be_visible()
    reach(page, "Bajera")
    page.keyboard.type("bajera.desa.id")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Pasang situs desa")).to_be_visible()

    db.session.rollback()
    (run,) = db.session.query(Run).all()
    assert [target.label for target in run.targets] == ["Bajera · bajera.desa.id"]
    reach(page, "Batalkan")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Dibatalkan").first).to_be_visible()
    db.session.rollback()
    assert db.session.query(Run).one().state == "cancelled"


def test_a_site_is_removed_by_keys_alone_and_only_once_all_is_typed(page: Page) -> None:
    site = factories.make_site(
        factories.make_village(name="Bajera"),
        release=factories.make_release(),
        state=SiteState.ACTIVE,
    )
    sign_in(page, "/villages/?sort=-name")
    reach(page, "Pilih Bajera")
    page.keyboard.press("Space")
    reach(page, "Hapus situs")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Hapus situs")).to_be_visible()
    with transaction() as session:
        # Long after signing in: who is there is asked again.
        session.execute(update(LoginSession).values(confirmed_at=utc_now() - timedelta(days=1)))
    reach(page, "Jumlah situs yang dihapus")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Pastikan ini Anda")).to_be_visible()
    reach(page, "Kata sandi")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Hapus situs", exact=True)).to_be_visible()
    reach(page, "Jumlah situs yang dihapus")
    db.session.rollback()
    assert db.session.query(Run).all() == []
    page.keyboard.press("Control+a")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Hapus situs desa")).to_be_visible()
    db.session.rollback()
    assert [run.play for run in db.session.query(Run)] == ["remove"]
    assert db.session.query(Target).one().site_id == site.id
