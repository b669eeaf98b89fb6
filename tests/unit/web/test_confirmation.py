"""Dangerous routes ask again who is there, and the deed goes on where it was."""

import importlib
import pkgutil
from datetime import timedelta

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from wtforms import PasswordField
from wtforms.fields.core import UnboundField

from siappakai.domain.states import RunState
from siappakai.models import LoginSession, Role, Run, User, db, utc_now
from siappakai.services import login_throttle, sessions, totp
from siappakai.web import forms
from siappakai.web.confirmation import FRESH, UNSEEN, does_ask_again
from siappakai.web.forms import PanelForm
from siappakai.web.identity import COOKIE_KEY
from tests.factories import (
    PASSWORD,
    make_release,
    make_run,
    make_server,
    make_site,
    make_user,
)

# Secrets shown, sites removed, people managed, rules weakened. Ending sessions is not among
# them: it only shuts out, and whoever does it in an emergency has no time.
DANGEROUS = {
    "auth.password",
    "backups.download",
    "backups.release",
    "channels.create",
    "channels.remove",
    "channels.renew_secret",
    "channels.set_enabled",
    "channels.show",
    "consents.decide",
    "consents.decide_for",
    "consents.leave",
    "consents.reveal_users",
    "extracts.create",
    "extracts.fetch",
    "recovery.make_kit",
    "restores.confirm",
    "restores.forget",
    "restores.undo",
    "runs.retry",
    "schedules.create",
    "schedules.pause",
    "schedules.remove",
    "schedules.resume",
    "schedules.update",
    "servers.abandon",
    "servers.pin_host_key",
    "settings.set_security",
    "sites.remove",
    "sites.renew_db_passwords",
    "sites.reveal_admin_login",
    "stores.add_bucket",
    "stores.add_folder",
    "stores.appoint_prover",
    "stores.dismiss_prover",
    "stores.edit",
    "stores.remove",
    "stores.set_append_only",
    "tokens.create",
    "totp.begin",
    "totp.renew_recovery_codes",
    "totp.switch_off",
    "users.create",
    "users.disable",
    "users.enable",
    "users.reset_password",
    "users.reset_totp",
    "users.set_role",
    "villages.delete",
}
QUESTION = "Pastikan ini Anda"


@pytest.fixture
def late(admin: FlaskClient) -> FlaskClient:
    """An administrator who proved who they are a while ago."""
    _age()
    return admin


def _age() -> None:
    db.session.rollback()
    db.session.query(LoginSession).update({"confirmed_at": utc_now() - FRESH})
    db.session.commit()


def test_exactly_these_routes_ask(panel: Flask):
    asking = {name for name in panel.view_functions if does_ask_again(panel, name)}

    assert asking == DANGEROUS


def test_each_of_them_asks_and_does_nothing_meanwhile(panel: Flask, late: FlaskClient):
    site = make_site()
    run = make_run("forget", [site], state=RunState.FAILED)
    db.session.commit()
    adapter = panel.url_map.bind("localhost")
    for rule in panel.url_map.iter_rules():
        if does_ask_again(panel, rule.endpoint):
            others = {"verb": "enable", "state": "off", "run_id": run.id}
            ids = dict.fromkeys(rule.arguments, site.id) | others
            answer = late.post(adapter.build(rule.endpoint, ids, method="POST"))
            assert (answer.status_code, QUESTION in answer.text) == (403, True), rule


def test_a_fresh_login_is_not_asked(admin: FlaskClient):
    assert 'class="secret"' in admin.post(f"/sites/{make_site().id}/admin-login").text


def test_looking_is_never_asked_for(late: FlaskClient):
    for url in ("/", "/users/", "/users/new", "/settings/"):
        answer = late.get(url)
        assert (answer.status_code, QUESTION in answer.text) == (200, False)


def test_the_role_comes_first(sign_in):
    viewer = sign_in(Role.VIEWER)
    _age()
    answer = viewer.post("/users/1/disable")

    assert answer.status_code == 403
    assert QUESTION not in answer.text


def test_the_csrf_token_comes_first(panel: Flask, late: FlaskClient):
    panel.config["WTF_CSRF_ENABLED"] = True

    assert late.post("/users/1/disable", data={"confirm_password": PASSWORD}).status_code == 400


def test_a_deed_goes_on_with_everything_that_was_sent(late: FlaskClient):
    sites = [make_site(release=make_release()) for _ in range(2)]
    db.session.commit()
    form = {"village": [site.village.code for site in sites], "confirmed_count": "2"}
    asked = late.post("/sites/remove", data=form).text
    for code in form["village"]:
        assert f'name="village" value="{code}"' in asked

    refused = late.post("/sites/remove", data={**form, "confirm_password": "salah"})
    assert (refused.status_code, "Kata sandi salah." in refused.text) == (403, True)
    assert db.session.query(Run).count() == 0
    done = late.post("/sites/remove", data={**form, "confirm_password": PASSWORD})
    assert done.headers["Location"].startswith("/runs/")
    db.session.rollback()
    assert db.session.query(Run).one().play == "remove"


def test_one_answer_lasts_ten_minutes(late: FlaskClient):
    url = f"/sites/{make_site().id}/admin-login"
    db.session.commit()

    assert 'class="secret"' in late.post(url, data={"confirm_password": PASSWORD}).text
    assert 'class="secret"' in late.post(url).text
    db.session.rollback()
    db.session.query(LoginSession).update({"confirmed_at": utc_now() - timedelta(minutes=9)})
    db.session.commit()
    assert 'class="secret"' in late.post(url).text
    _age()
    assert QUESTION in late.post(url).text


def test_an_answer_is_for_its_own_session(panel: Flask, late: FlaskClient):
    user = db.session.query(User).one()
    other = panel.test_client()
    with other.session_transaction() as cookie:
        cookie[COOKIE_KEY] = sessions.begin(user.id, address="192.0.2.8", browser="")
    url = f"/sites/{make_site().id}/admin-login"
    _age()

    assert 'class="secret"' in late.post(url, data={"confirm_password": PASSWORD}).text
    assert QUESTION in other.post(url).text


def test_what_is_repeated_is_as_dangerous_as_it_was(late: FlaskClient):
    harmless = make_run("health", [make_site()], state=RunState.FAILED).id
    harmful = make_run("withdraw", [make_server()], state=RunState.FAILED).id

    assert QUESTION not in late.post(f"/runs/{harmless}/retry").text
    assert QUESTION in late.post(f"/runs/{harmful}/retry").text
    assert late.post("/runs/999999/retry").status_code == 404


def test_what_was_typed_unseen_is_not_written_into_the_question(late: FlaskClient):
    form = {"name": "Jaga", **dict.fromkeys(UNSEEN, "rahasia-tertanam")}
    for url in ("/channels/new", "/password", "/stores/new-bucket"):
        page = late.post(url, data=form)
        assert (page.status_code, QUESTION in page.text) == (403, True), url
        assert "rahasia-tertanam" not in page.text
        assert 'name="name" value="Jaga"' in page.text


def test_all_that_is_typed_unseen_is_known() -> None:
    fields = {
        (name, field.field_class)
        for module in pkgutil.iter_modules(forms.__path__)
        for form in vars(importlib.import_module(f"{forms.__name__}.{module.name}")).values()
        if isinstance(form, type) and issubclass(form, PanelForm)
        for name, field in vars(form).items()
        if isinstance(field, UnboundField)
    }
    unseen = {name for name, kind in fields if kind is PasswordField}
    seen = {name for name, kind in fields if kind is not PasswordField}

    assert unseen == UNSEEN | {"confirm_password"}
    assert not unseen & seen


def test_what_is_carried_over_is_escaped(late: FlaskClient):
    evil = '"><script>alert(1)</script>'
    page = late.post("/users/new", data={"username": evil, evil: "x"}).text

    assert "<script>alert" not in page


def test_guessing_is_slowed_down_here_too(late: FlaskClient):
    for _ in range(login_throttle.PER_PAIR):
        late.post("/users/1/disable", data={"confirm_password": "salah"})

    answer = late.post("/users/1/disable", data={"confirm_password": PASSWORD})
    assert answer.status_code == 429


def test_whoever_has_a_phone_types_its_code_too(panel: Flask, monkeypatch: pytest.MonkeyPatch):
    user = make_user("ketut")
    totp.begin(user.id, by="ketut")
    phone = pyotp.TOTP(totp.enrolment(user.id).secret)
    now = utc_now()
    totp.confirm(user.id, phone.at(now), by="ketut")
    later = now + timedelta(minutes=1)
    monkeypatch.setattr(totp, "utc_now", lambda: later)
    browser = panel.test_client()
    with browser.session_transaction() as cookie:
        cookie[COOKIE_KEY] = sessions.begin(user.id, address="192.0.2.8", browser="")
    url = f"/sites/{make_site().id}/admin-login"
    _age()
    code = phone.at(later)

    assert browser.post(url, data={"confirm_password": PASSWORD}).status_code == 403
    wrong = browser.post(url, data={"confirm_password": PASSWORD, "confirm_code": "000000"})
    assert "Kode salah" in wrong.text
    right = browser.post(url, data={"confirm_password": PASSWORD, "confirm_code": code})
    assert 'class="secret"' in right.text
    _age()
    replayed = browser.post(url, data={"confirm_password": PASSWORD, "confirm_code": code})
    assert "sudah dipakai" in replayed.text
