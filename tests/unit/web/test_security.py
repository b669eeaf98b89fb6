"""What guards the panel besides roles."""

import re
import stat
from collections.abc import Callable

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from pydantic import SecretStr

from siappakai.config import Settings
from siappakai.models import Role, User, db
from siappakai.services import accounts
from siappakai.web.bearer import is_api_endpoint
from siappakai.web.security import PUBLIC, safe_next
from tests.factories import PASSWORD, make_user, make_village

NewPanel = Callable[[Settings], Flask]


def test_every_route_that_writes_asks_for_the_csrf_token(panel: Flask, admin: FlaskClient):
    panel.config["WTF_CSRF_ENABLED"] = True
    adapter = panel.url_map.bind("localhost")
    writing = {"POST", "PUT", "PATCH", "DELETE"}
    # The API is exempt, as it looks at no cookie: test_api_access.py.
    posts = [
        rule
        for rule in panel.url_map.iter_rules()
        if writing & (rule.methods or set()) and not is_api_endpoint(rule.endpoint)
    ]
    values = {"state": "off", "code": "5102012999", "version": "v2401.0.0", "kind": "stand_in"}
    values["verb"] = "enable"

    for rule in posts:
        arguments = {name: values.get(name, 999) for name in rule.arguments}
        answer = admin.post(adapter.build(rule.endpoint, arguments, method="POST"))
        assert answer.status_code == 400, rule
        assert "kedaluwarsa" in answer.text, rule


def test_every_answer_carries_a_strict_policy(panel: Flask, admin: FlaskClient):
    for url in ("/", "/login", "/nothing", "/static/base.css", "/healthz"):
        headers = admin.get(url, buffered=True).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in headers


def test_pages_have_no_inline_script_or_style(admin: FlaskClient):
    for url in ("/", "/villages/", "/settings/", "/servers/new"):
        text = admin.get(url).text
        assert "style=" not in text
        assert "<style" not in text
        assert "onclick" not in text
        assert text.count("<script") == text.count("<script src=")


def test_pages_are_never_stored(admin: FlaskClient):
    assert admin.get("/").headers["Cache-Control"] == "no-store"


def test_a_foreign_host_is_refused(stranger: FlaskClient):
    answer = stranger.get("/login", headers={"Host": "evil.example"})

    assert answer.status_code == 400
    assert "evil" not in answer.text


def test_cookies_are_safe_and_secure_where_that_is_set(settings: Settings, new_panel: NewPanel):
    make_user("budi.admin")
    panel = new_panel(settings.model_copy(update={"secure_cookies": True}))
    panel.config["WTF_CSRF_ENABLED"] = False
    answer = panel.test_client().post(
        "/login", data={"username": "budi.admin", "password": PASSWORD}
    )
    cookie = answer.headers["Set-Cookie"]

    assert {"HttpOnly", "Secure", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


def test_the_session_key_is_made_once_and_kept_private(settings: Settings, new_panel: NewPanel):
    panel = new_panel(settings)
    path = settings.state / "session.key"

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert panel.config["SECRET_KEY"] == path.read_text().strip()
    assert new_panel(settings).config["SECRET_KEY"] == panel.config["SECRET_KEY"]
    given = settings.model_copy(update={"session_key": SecretStr("from the environment")})
    assert new_panel(given).config["SECRET_KEY"] == "from the environment"
    assert [entry.name for entry in settings.state.glob("tmp*")] == []


def test_signing_in_leads_to_where_one_wanted_to_go(stranger: FlaskClient):
    make_user("ketut")
    wanted = stranger.get("/villages/?state=active").headers["Location"]
    answer = stranger.post(wanted, data={"username": "Ketut ", "password": PASSWORD})

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/villages/?state=active"
    assert stranger.get("/").status_code == 200


def test_a_wrong_password_and_an_unknown_name_look_the_same(stranger: FlaskClient):
    make_user("ketut")
    wrong = stranger.post("/login", data={"username": "ketut", "password": "salah"})
    unknown = stranger.post("/login", data={"username": "tiada", "password": "salah"})

    assert (wrong.status_code, unknown.status_code) == (403, 403)
    assert "Nama pengguna atau kata sandi salah." in wrong.text
    without_token = [re.sub(r'value="[^"]{40,}"', "", answer.text) for answer in (wrong, unknown)]
    assert without_token[0].replace("ketut", "tiada") == without_token[1]


def test_guessing_is_slowed_down(stranger: FlaskClient):
    make_user("ketut")
    for _ in range(5):
        stranger.post("/login", data={"username": "ketut", "password": "salah"})
    answer = stranger.post("/login", data={"username": "ketut", "password": PASSWORD})

    assert answer.status_code == 429
    assert "Terlalu banyak" in answer.text


def test_a_session_planted_before_the_login_is_thrown_away(stranger: FlaskClient):
    make_user("ketut")
    with stranger.session_transaction() as session:
        session["planted"] = "by somebody"
    stranger.post("/login", data={"username": "ketut", "password": PASSWORD})

    with stranger.session_transaction() as session:
        assert "planted" not in session


def test_ended_sessions_and_closed_accounts_are_signed_out(sign_in):
    browser = sign_in(Role.VIEWER)
    assert browser.get("/").status_code == 200
    person = db.session.query(User).one()
    accounts.end_sessions(person.id, by="admin")

    assert browser.get("/").headers["Location"] == "/login"
    assert browser.get("/runs/1/live", headers={"HX-Request": "true"}).status_code == 401


def test_an_answer_to_a_poll_does_not_renew_the_cookie(stranger: FlaskClient):
    make_user("ketut")
    stranger.post("/login", data={"username": "ketut", "password": PASSWORD})
    stranger.get("/")

    assert "Set-Cookie" not in stranger.get("/runs/").headers


def test_logout_forgets_the_session(viewer: FlaskClient):
    assert viewer.post("/logout").headers["Location"] == "/login"
    assert viewer.get("/").status_code == 302


def test_a_password_made_by_others_must_be_changed_first(stranger: FlaskClient):
    _, password = accounts.create_user(username="wayan", role=Role.VIEWER, by="admin")
    stranger.post("/login", data={"username": "wayan", "password": password})
    assert stranger.get("/runs/").headers["Location"] == "/password"

    new = {"password": "sawah hijau subak", "again": "sawah hijau subak"}
    refused = stranger.post("/password", data={"current": "salah", **new})
    accepted = stranger.post("/password", data={"current": password, **new})

    assert refused.status_code == 422
    assert "Kata sandi sekarang salah." in refused.text
    assert accepted.status_code == 303
    assert stranger.get("/runs/").status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "villages",
    ],
)
def test_only_paths_of_this_panel_are_gone_back_to(panel: Flask, target: str | None):
    with panel.test_request_context():
        assert safe_next(target) == "/"
        assert safe_next("/villages/?page=2") == "/villages/?page=2"


def test_the_public_routes_are_few():
    assert len(PUBLIC) == 5


@pytest.mark.parametrize(("proxies", "seen"), [(0, "127.0.0.1 http"), (1, "192.0.2.9 https")])
def test_a_proxy_is_believed_only_where_it_is_named(
    settings: Settings, new_panel: NewPanel, proxies: int, seen: str
):
    panel = new_panel(settings.model_copy(update={"trusted_proxies": proxies}))
    panel.view_functions["health.healthz"] = lambda: f"{request.remote_addr} {request.scheme}"
    headers = {"X-Forwarded-For": "198.51.100.7, 192.0.2.9", "X-Forwarded-Proto": "https"}

    assert panel.test_client().get("/healthz", headers=headers).text == seen


def test_what_people_typed_is_shown_as_text(admin: FlaskClient):
    evil = '<img src=x onerror="alert(1)">'
    village = make_village(name=evil)
    for url in ("/villages/", f"/villages/{village.code}", f"/villages/?query={evil}"):
        text = admin.get(url).text
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text
