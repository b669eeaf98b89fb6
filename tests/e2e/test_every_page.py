"""Every page there is: it fits the screen, breaks no policy, and axe finds nothing serious."""

from datetime import timedelta
from typing import Any

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Page, expect

from siappakai.domain.alerts import AlertKind, Finding, Severity
from siappakai.domain.backups import ProofState
from siappakai.domain.recurrence import Every, Recurrence
from siappakai.domain.states import RunState, StepState
from siappakai.models import Alert, LoginSession, RegistryCopy, Step, Store, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import (
    alerts,
    backup_keys,
    channels,
    imports,
    outcomes,
    schedules,
    tokens,
    totp,
)
from siappakai.services.schedule_orders import Order
from siappakai.web import create_app
from siappakai.web.bearer import is_api_endpoint
from siappakai.web.confirmation import FRESH
from tests import factories
from tests.e2e.test_alerts import picture
from tests.e2e.test_panel import _sign_in
from tests.factories import BY
from tests.unit.services.test_backups import make_backup, make_store

pytestmark = pytest.mark.e2e

MINUTE = timedelta(minutes=1)
SERIOUS = {"serious", "critical"}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
# Not pages: files, fragments of pages, answers for programs, and what is there before a login.
NO_PAGES = {
    "auth.code",
    "auth.login",
    "channels.messages",
    "health.healthz",
    "health.readyz",
    "imports.export",
    "metrics.show",
    "runs.live",
    "static",
    "totp.qr",
}
CSV = b"kode_desa,nama_desa,nama_kecamatan\n51.02.01.2901,Bajera,Selemadeg\n99,Rusak,Selemadeg\n"
# A form as the pages have them, with the token of the one for leaving.
_SEND = """([path, fields]) => {
  const form = document.createElement("form");
  form.method = "post";
  form.action = path;
  const token = document.querySelector("input[name=csrf_token]").value;
  for (const [name, value] of Object.entries({...fields, csrf_token: token})) {
    const field = document.createElement("input");
    field.name = name;
    field.value = value;
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}"""
FINDING = Finding(AlertKind.QUEUE_DOWN, "queue", "Redis", Severity.CRITICAL, "1")


@pytest.fixture
def fleet() -> dict[str, Any]:
    """A registry with something on every page; tells what the routes' arguments may be."""
    factories.make_regency()
    server, release = factories.make_server("Kominfo"), factories.make_release()
    sites = [factories.make_site(server=server, release=release) for _ in range(3)]
    factories.make_village(name="Belum punya situs")
    for days in range(20):
        state = RunState.FAILED if days % 6 == 5 else RunState.SUCCEEDED
        at = utc_now() - timedelta(days=days)
        for _ in range(1 + days % 4):
            factories.make_run("install", sites, state=state, started_at=at, ended_at=at + MINUTE)
    run = _run(sites)
    person = factories.make_user("petugas")
    order = Order("health", Recurrence(Every.DAY, "02:00"))
    schedule = schedules.create_schedule(name="Periksa malam", order=order, by=BY)
    hook = "https://hooks.example/panel"
    channel, _ = channels.create_channel(name="Kominfo", kind="webhook", address=hook, by=BY)
    tokens.create_token(person.id, name="Laporan", scopes=["runs:read"], days=9, by=BY)
    alerts.reconcile([FINDING], utc_now())
    _ready_to_be_lost(make_store())
    proven = {"proof_state": ProofState.PROVEN, "proven_at": utc_now()}
    make_backup(sites[0], **proven, proof={"tables": 244, "residents": 4812})
    draft = imports.preview_import(CSV, filename="desa.csv", by=BY)
    return {
        "alert_id": db.session.query(Alert).one().id,
        "channel_id": channel.id,
        "code": sites[0].village.code,
        "draft_id": draft.id,
        "name": "gudang",
        "run_id": run.id,
        "schedule_id": schedule.id,
        "server_id": server.id,
        "site_id": sites[0].id,
        "user_id": person.id,
    }


def _ready_to_be_lost(store: Store) -> None:
    backup_keys.make_recovery_key(by=BY)
    factories.make_server("Pembukti", is_prover=True, proof_recipient=f"age1{'q' * 58}")
    taken = {"taken_at": utc_now(), "checked_at": utc_now(), "size": 81920, "sha256": "0" * 64}
    with transaction() as session:
        name = "registry-20261122T050000Z-00000000.age"
        session.add(RegistryCopy(store_id=store.id, name=name, **taken))


def _run(sites: list[Any]) -> Any:
    """A run of which one target succeeded, one failed and one is at work."""
    run = factories.make_run("install", sites, state=RunState.RUNNING, started_at=utc_now())
    with transaction() as session:
        for target in run.targets:
            target.started_at = utc_now()
            session.add(Step(target_id=target.id, name="load", state=StepState.OK, seconds=1.2))
        run.targets[1].error = {"code": "unhealthy", "params": {"checks": "home: 500"}}
        outcomes.conclude(session, run.targets[0], RunState.SUCCEEDED)
        outcomes.conclude(session, run.targets[1], RunState.FAILED, "home: 500")
        run.targets[2].state = RunState.RUNNING
    return run


def _pages(registry: Flask, ids: dict[str, Any]) -> dict[str, str]:
    panel = create_app(registry.extensions["siappakai.settings"])
    adapter = panel.url_map.bind("localhost")
    return {
        rule.endpoint: adapter.build(rule.endpoint, {name: ids[name] for name in rule.arguments})
        for rule in panel.url_map.iter_rules()
        if "GET" in (rule.methods or ())
        and rule.endpoint not in NO_PAGES
        and not is_api_endpoint(rule.endpoint)
    }


# What the narrow and the dark page have in common with the first is looked at once.
@pytest.mark.parametrize(
    ("width", "scheme", "rules"),
    [(1280, "light", {}), (1280, "dark", CONTRAST), (390, "light", None)],
    ids=["desk", "dark", "phone"],
)
def test_every_page_is_fit_for_everybody(  # noqa: PLR0917 - three of them are one variant
    page: Page,
    registry: Flask,
    fleet: dict[str, Any],
    width: int,
    scheme: str,
    rules: dict[str, Any] | None,
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    _sign_in(page)
    found: list[str] = []
    for name, url in sorted(_pages(registry, fleet).items()):
        answer = page.goto(url)
        assert answer is not None
        assert answer.ok, url
        picture(page, f"{name}-{scheme}-{width}")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{name}: wider than the screen")
        if rules is not None:
            found += [f"{name}: {told}" for told in _barriers(page, rules)]
    assert found == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_the_two_steps_of_the_login_are_fit_for_everybody(
    page: Page, width: int, scheme: str
) -> None:
    person = factories.make_user("ketut")
    totp.begin(person.id, by=BY)
    begun = totp.enrolment(person.id)
    assert begun is not None
    totp.confirm(person.id, pyotp.TOTP(begun.secret).now(), by=BY)
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    page.goto("/login")
    found = _barriers(page, {})
    page.get_by_label("Nama pengguna").fill("ketut")
    page.get_by_label("Kata sandi").fill(factories.PASSWORD)
    page.get_by_role("button", name="Masuk").click()
    expect(page.get_by_role("heading", name="Kode dua langkah")).to_be_visible()
    picture(page, f"auth.code-{scheme}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert found + _barriers(page, {}) == []


def test_every_answer_to_a_form_is_fit_for_everybody(page: Page, fleet: dict[str, Any]) -> None:
    site = {"village": fleet["code"]}
    forms = {
        "Pasang situs": ("/sites/install/choose", site),
        "Hapus situs": ("/sites/remove/choose", site),
        "Login admin": (f"/sites/{fleet['site_id']}/admin-login", {}),
        "Daftarkan 192.0.2.9": ("/servers/enrol", {"name": "Baru", "address": "192.0.2.9"}),
        "Kunci webhook": (f"/channels/{fleet['channel_id']}/secret", {}),
        "Kit pemulihan": ("/recovery/kit", {}),
        "Folder di 192.0.2.9": ("/stores/folder", {"address": "192.0.2.9"}),
        "Token baru": ("/tokens/new", {"name": "Uji", "scopes": "runs:read", "days": "9"}),
        "Kata sandi baru": (f"/users/{fleet['user_id']}/password", {}),
    }
    _sign_in(page)
    found: list[str] = []
    for heading, (path, fields) in forms.items():
        found += _looked_at(page, heading, path, fields)
    db.session.query(LoginSession).update({"confirmed_at": utc_now() - 2 * FRESH})
    db.session.commit()
    removal = {**site, "confirmed_count": "1"}
    assert found + _looked_at(page, "Pastikan ini Anda", "/sites/remove", removal) == []


def _looked_at(page: Page, heading: str, path: str, fields: dict[str, str]) -> list[str]:
    """Send a form, and look at the answer on a desk by light and in the dark, and on a phone."""
    page.set_viewport_size({"width": 1280, "height": 844})
    page.emulate_media(color_scheme="light")
    page.goto("/")
    with page.expect_navigation():
        page.evaluate(_SEND, [path, fields])
    expect(page.locator("h1")).to_contain_text(heading)
    found = _barriers(page, {})
    picture(page, f"{heading}-light-1280")
    page.emulate_media(color_scheme="dark")
    found += _barriers(page, CONTRAST)
    page.set_viewport_size({"width": 390, "height": 844})
    found += _barriers(page, {})
    picture(page, f"{heading}-dark-390")
    if page.evaluate("document.documentElement.scrollWidth") > 390:
        found.append("wider than the screen")
    return [f"{heading}: {told}" for told in found]


def test_a_barrier_would_be_found(page: Page) -> None:
    page.goto("/login")
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert [told.partition(":")[0] for told in _barriers(page, {})] == ["button-name"]


def _barriers(page: Page, rules: dict[str, Any]) -> list[str]:
    options = {"resultTypes": ["violations"], **rules}
    violations = Axe().run(page, options=options).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:160]}"
        for one in violations
        if one["impact"] in SERIOUS
    ]
