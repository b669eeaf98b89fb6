"""Codes of a phone as people meet them: set up, asked for at the login, required of admins."""

import re
from datetime import timedelta

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient

from siappakai.models import LoginSession, Role, User, db, utc_now
from siappakai.services import settings, totp
from siappakai.web.identity import COOKIE_KEY
from tests.factories import BY, PASSWORD, make_user


class Phone:
    """Shows the codes of one secret, a new one at each look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.secret = ""
        self._passed = timedelta()
        monkeypatch.setattr(totp, "utc_now", lambda: utc_now() + self._passed)

    def learn(self, page: str) -> None:
        self.secret = re.search(r'class="secret">([A-Z2-7]{32})<', page)[1]

    def code(self) -> str:
        self._passed += timedelta(seconds=30)
        return pyotp.TOTP(self.secret).at(utc_now() + self._passed)


@pytest.fixture
def phone(monkeypatch: pytest.MonkeyPatch) -> Phone:
    return Phone(monkeypatch)


def _enrol(browser: FlaskClient, phone: Phone) -> list[str]:
    browser.post("/totp/begin")
    phone.learn(browser.get("/totp/").text)
    page = browser.post("/totp/confirm", data={"code": phone.code()}).text
    return re.findall(r'class="secret">([a-z0-9-]{19})<', page)


def _password(browser: FlaskClient, username: str = "ketut", url: str = "/login"):
    return browser.post(url, data={"username": username, "password": PASSWORD})


@pytest.fixture
def enrolled(panel: Flask, phone: Phone) -> list[str]:
    """Recovery codes of ketut, who has set up a phone and is signed out."""
    make_user("ketut")
    browser = panel.test_client()
    _password(browser)
    codes = _enrol(browser, phone)
    browser.post("/logout")
    return codes


def test_it_is_set_up_with_a_picture_and_a_first_code(viewer: FlaskClient, phone: Phone):
    assert viewer.get("/totp/qr.svg").status_code == 404
    assert viewer.post("/totp/begin").status_code == 303
    page = viewer.get("/totp/")
    picture = viewer.get("/totp/qr.svg")
    phone.learn(page.text)

    assert 'src="/totp/qr.svg"' in page.text
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert b"<svg" in picture.data
    assert b"style" not in picture.data
    assert viewer.post("/totp/confirm", data={"code": "1"}).status_code == 422
    done = viewer.post("/totp/confirm", data={"code": phone.code()})
    assert len(re.findall(r'class="secret">[a-z0-9-]{19}<', done.text)) == totp.RECOVERY_CODES
    assert phone.secret not in viewer.get("/totp/").text
    assert viewer.get("/totp/qr.svg").status_code == 404


def test_a_login_asks_for_the_code_and_changes_its_id(
    stranger: FlaskClient, enrolled: list[str], phone: Phone
):
    first = _password(stranger, url="/login?next=/runs/")
    with stranger.session_transaction() as cookie:
        waiting = cookie[COOKIE_KEY]
    assert first.headers["Location"] == "/login/code?next=/runs/"
    assert stranger.get("/runs/").headers["Location"].startswith("/login")
    assert stranger.get("/login/code").status_code == 200

    refused = stranger.post("/login/code", data={"code": "000000"})
    accepted = stranger.post(first.headers["Location"], data={"code": phone.code()})
    with stranger.session_transaction() as cookie:
        assert cookie[COOKIE_KEY] != waiting

    assert refused.status_code == 403
    assert (accepted.status_code, accepted.headers["Location"]) == (303, "/runs/")
    assert stranger.get("/runs/").status_code == 200
    db.session.rollback()
    assert db.session.query(LoginSession).count() == 1


def test_a_recovery_code_signs_in_once(panel: Flask, enrolled: list[str]):
    for expected in (303, 403):
        browser = panel.test_client()
        _password(browser)
        answer = browser.post("/login/code", data={"code": enrolled[0]})
        assert answer.status_code == expected


def test_codes_are_throttled_at_the_login(panel: Flask, enrolled: list[str], phone: Phone):
    browser = panel.test_client()
    _password(browser)
    for _ in range(10):
        assert browser.post("/login/code", data={"code": "000000"}).status_code == 403

    assert browser.post("/login/code", data={"code": phone.code()}).status_code == 429


def test_nobody_starts_with_the_second_step(stranger: FlaskClient, viewer: FlaskClient):
    assert stranger.get("/login/code").status_code == 403
    assert viewer.get("/login/code").status_code == 403


def test_a_password_waits_five_minutes_for_its_code(
    stranger: FlaskClient, enrolled: list[str], phone: Phone
):
    _password(stranger)
    db.session.rollback()
    db.session.query(LoginSession).update({"expires_at": utc_now()})
    db.session.commit()

    assert stranger.post("/login/code", data={"code": phone.code()}).status_code == 403


def test_an_admin_sets_it_up_right_after_the_login_and_can_do_nothing_else(
    panel: Flask, sign_in, phone: Phone
):
    settings.put(settings.REQUIRE_TOTP_FOR_ADMINS, value=True, by=BY)
    admin = sign_in(Role.ADMIN)
    for url in ("/", "/users/", "/sessions/", "/password"):
        assert admin.get(url).headers["Location"] == "/totp/", url
    assert admin.post("/settings/security").headers["Location"] == "/totp/"
    assert "Admin wajib" in admin.get("/totp/").text
    assert len(_enrol(admin, phone)) == totp.RECOVERY_CODES

    assert admin.get("/users/").status_code == 200
    assert sign_in(Role.OPERATOR).get("/").status_code == 200


def test_it_is_required_unless_that_is_switched_off_and_then_the_dashboard_says_so(
    admin: FlaskClient, viewer: FlaskClient
):
    warning = "kode dua langkah tidak diwajibkan"
    assert warning in admin.get("/").text
    assert warning not in viewer.get("/").text
    form = {"session_idle_minutes": "60", "session_hours": "8", "require_totp_for_admins": "y"}
    assert admin.post("/settings/security", data=form).status_code == 303

    assert settings.get(settings.SESSION_IDLE_MINUTES) == 60
    assert admin.get("/").headers["Location"] == "/totp/"


def test_a_lost_phone_is_forgotten_by_another_admin(
    panel: Flask, admin: FlaskClient, enrolled: list[str]
):
    user = db.session.query(User).filter_by(username="ketut").one()
    db.session.rollback()
    assert admin.post(f"/users/{user.id}/totp/reset").status_code == 303
    browser = panel.test_client()

    assert _password(browser).headers["Location"] == "/"
    assert browser.get("/").status_code == 200


def test_it_is_switched_off_and_recovery_codes_are_renewed(
    panel: Flask, enrolled: list[str], phone: Phone
):
    browser = panel.test_client()
    _password(browser)
    browser.post("/login/code", data={"code": phone.code()})
    page = browser.post("/totp/recovery-codes").text
    fresh = re.findall(r'class="secret">([a-z0-9-]{19})<', page)

    assert len(fresh) == totp.RECOVERY_CODES
    assert not set(fresh) & set(enrolled)
    assert browser.post("/totp/off").status_code == 303
    assert _password(panel.test_client()).headers["Location"] == "/"


def test_a_bad_rule_for_sessions_is_refused_beside_its_field(admin: FlaskClient):
    form = {"session_idle_minutes": "1", "session_hours": "8", "require_totp_for_admins": "y"}
    answer = admin.post("/settings/security", data=form)

    assert answer.status_code == 422
    assert "Isi bilangan bulat dari 5 sampai 1440." in answer.text
    assert settings.get(settings.SESSION_HOURS) == 12
    assert settings.get(settings.REQUIRE_TOTP_FOR_ADMINS) is False
