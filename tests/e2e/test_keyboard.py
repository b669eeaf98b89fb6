"""The panel without a mouse: signing in, choosing a village, installing it, cancelling that."""

import pytest
from playwright.sync_api import Page, expect

from siappakai.models import Run, db
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


def test_a_village_is_installed_and_its_run_cancelled_by_keys_alone(page: Page) -> None:
    factories.make_user("admin")
    factories.make_server("Kominfo")
    factories.make_release()
    factories.make_village(name="Bajera")
    page.goto("/villages/")
    page.keyboard.type("admin")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Desa", exact=True)).to_be_visible()

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
