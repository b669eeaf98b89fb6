"""What machines that watch may ask: who is admitted, and what they are told."""

import hashlib
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from siappakai.config import Settings
from siappakai.models import Setting, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import rounds
from siappakai.web.security import WATCHED

TOKEN = "e8c1f1a3a5b04b0fa8e5"
HASH = hashlib.sha256(TOKEN.encode()).hexdigest()
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ELSEWHERE = {"REMOTE_ADDR": "203.0.113.9"}

pytestmark = pytest.mark.usefixtures("registry")
every_page = pytest.mark.parametrize("page", ["/readyz", "/metrics"])


@pytest.fixture
def with_settings(settings: Settings, new_panel):
    def panel(**changes: object) -> FlaskClient:
        known = settings.model_dump(include={"state", "run_dir", "database_url"})
        return new_panel(Settings(**known, **changes)).test_client()

    return panel


def test_the_pages_for_machines_are_two():
    assert {"health.readyz", "metrics.show"} == WATCHED


@every_page
def test_this_machine_may_watch(stranger: FlaskClient, page: str):
    for address in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"):
        answer = stranger.get(page, environ_overrides={"REMOTE_ADDR": address})
        assert answer.status_code in {200, 503}, address
        assert "siappakai" in answer.text or "registry" in answer.text


@every_page
@pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8::1", "", "not an address"])
def test_nobody_else_may(stranger: FlaskClient, admin: FlaskClient, page: str, address: str):
    for browser in (stranger, admin):
        answer = browser.get(page, environ_overrides={"REMOTE_ADDR": address}, headers=BEARER)
        assert answer.status_code == 403
        assert answer.text == "not allowed from here; see metrics_allowed\n"


@every_page
@pytest.mark.parametrize("trace", ["Forwarded", "Via", "X-Forwarded-For", "X-Real-IP"])
def test_a_proxy_nobody_named_does_not_make_the_world_this_machine(
    stranger: FlaskClient, page: str, trace: str
):
    assert stranger.get(page, headers={trace: "127.0.0.1"}).status_code == 403


def test_behind_a_named_proxy_the_caller_counts(with_settings):
    browser = with_settings(trusted_proxies=1, metrics_allowed=["192.0.2.0/24"])

    forged = {"X-Forwarded-For": "192.0.2.7, 203.0.113.9"}
    assert browser.get("/metrics", headers=forged).status_code == 403
    assert browser.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 200


def test_the_networks_are_a_setting(with_settings):
    browser = with_settings(metrics_allowed=["10.9.0.0/16"])

    for address, status in (("10.9.3.4", 200), ("10.8.3.4", 403), ("127.0.0.1", 403)):
        answer = browser.get("/metrics", environ_overrides={"REMOTE_ADDR": address})
        assert answer.status_code == status, address


@every_page
def test_a_token_admits_from_anywhere(with_settings, page: str):
    browser = with_settings(metrics_token_sha256=HASH)

    right = browser.get(page, environ_overrides=ELSEWHERE, headers=BEARER)
    assert right.status_code in {200, 503}
    for wrong in ({}, {"Authorization": f"Bearer {HASH}"}, {"Authorization": "Bearer"}):
        answer = browser.get(page, environ_overrides=ELSEWHERE, headers=wrong)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    basic = browser.get(page, environ_overrides=ELSEWHERE, auth=("prometheus", TOKEN))
    assert basic.status_code == 401


@pytest.mark.parametrize("bad", [{"metrics_token_sha256": TOKEN}, {"metrics_allowed": ["10.0"]}])
def test_a_setting_that_cannot_be_is_named(bad: dict[str, object]):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Settings(**bad)


@every_page
def test_a_foreign_host_is_refused_before_all_else(stranger: FlaskClient, page: str):
    assert stranger.get(page, headers={"Host": "evil.example"}).status_code == 400


def test_the_token_opens_no_other_page(with_settings):
    assert with_settings(metrics_token_sha256=HASH).get("/", headers=BEARER).status_code == 302


def test_ready(stranger: FlaskClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("siappakai.dispatch.is_reachable", lambda _: True)
    rounds.note_tick()

    answer = stranger.get("/readyz")

    assert answer.json == {
        "ready": True,
        "checks": {"registry": True, "queue": True, "clock": True},
    }
    assert answer.status_code == 200


def test_a_dead_redis_is_named(stranger: FlaskClient):
    rounds.note_tick()

    answer = stranger.get("/readyz")

    assert answer.status_code == 503
    assert answer.json == {
        "ready": False,
        "checks": {"registry": True, "queue": False, "clock": True},
    }


def test_a_redis_that_is_stuck_is_dead(with_settings, monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr("siappakai.dispatch._LOOK_SECONDS", 0.1)
    with socket.socket(socket.AF_UNIX) as stuck:
        stuck.bind(str(tmp_path / "stuck.sock"))
        stuck.listen()
        browser = with_settings(redis_url=f"unix://:hemlig@{tmp_path}/stuck.sock")

        answer = browser.get("/readyz")

    assert answer.json["checks"]["queue"] is False
    assert "hemlig" not in answer.text


def test_a_clock_that_stopped_is_named(stranger: FlaskClient, settings: Settings):
    late = utc_now() - timedelta(seconds=4 * settings.tick_seconds)
    with transaction() as session:
        session.merge(Setting(key="last_tick_at", value=late.isoformat()))

    assert stranger.get("/readyz").json["checks"] == {
        "registry": True,
        "queue": False,
        "clock": False,
    }


def test_a_registry_behind_the_program_is_named(new_panel, tmp_path: Path):
    settings = Settings(
        state=tmp_path, run_dir=tmp_path, database_url=f"sqlite:///{tmp_path}/x.sqlite3"
    )

    answer = new_panel(settings).test_client().get("/readyz")

    assert answer.status_code == 503
    assert answer.json["checks"] == {"registry": False, "queue": False}


def test_a_registry_that_is_away_is_named(new_panel, tmp_path: Path):
    url = f"sqlite:///{tmp_path}/nowhere/x.sqlite3"
    settings = Settings(state=tmp_path, run_dir=tmp_path, database_url=url)
    browser = new_panel(settings).test_client()

    ready, metrics = browser.get("/readyz"), browser.get("/metrics")

    assert (ready.status_code, metrics.status_code) == (503, 503)
    assert ready.json["checks"] == {"registry": False, "queue": False}
    assert str(tmp_path) not in ready.text + metrics.text
