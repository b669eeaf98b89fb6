"""What people and administrators see and do about sessions."""

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select

from siappakai.models import LoginSession, Role, User, db
from siappakai.services import sessions
from siappakai.web.identity import COOKIE_KEY
from tests.factories import PASSWORD, make_user


def _login(panel: Flask, username: str) -> FlaskClient:
    browser = panel.test_client()
    answer = browser.post("/login", data={"username": username, "password": PASSWORD})
    assert answer.status_code == 303
    return browser


def _numbers() -> list[int]:
    db.session.rollback()
    return list(db.session.scalars(select(LoginSession.id).order_by(LoginSession.id)))


def test_each_login_has_an_id_of_its_own(panel: Flask):
    make_user("ketut")
    browser = panel.test_client()
    seen = set()
    for _ in range(2):
        browser.post("/login", data={"username": "ketut", "password": PASSWORD})
        with browser.session_transaction() as cookie:
            seen.add(cookie[COOKIE_KEY])
            assert set(cookie) <= {COOKIE_KEY, "csrf_token", "_permanent", "_flashes"}
        browser.post("/logout")

    assert len(seen) == 2
    assert _numbers() == []
    with browser.session_transaction() as cookie:
        cookie[COOKIE_KEY] = seen.pop()
    assert browser.get("/").status_code == 302


def test_one_sees_and_ends_ones_own_sessions_alone(panel: Flask):
    make_user("ketut", Role.VIEWER)
    make_user("made", Role.VIEWER)
    here, there, foreign = (_login(panel, name) for name in ("ketut", "ketut", "made"))
    first, second, third = _numbers()
    page = here.get("/sessions/").text

    assert page.count("peramban ini") == 1
    assert f"/sessions/{second}/end" in page
    assert f"/sessions/{third}/end" not in page
    assert here.post(f"/sessions/{third}/end").status_code == 404
    assert here.post(f"/sessions/{second}/end").status_code == 303
    assert there.get("/").status_code == 302
    assert foreign.get("/").status_code == 200
    assert first in _numbers()


def test_all_other_sessions_are_ended_at_once(panel: Flask):
    make_user("ketut", Role.VIEWER)
    here, there = _login(panel, "ketut"), _login(panel, "ketut")
    assert here.post("/sessions/end-others").status_code == 303

    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 302


def test_an_admin_ends_a_persons_sessions(panel: Flask, admin: FlaskClient):
    user = make_user("ketut", Role.VIEWER)
    one, other = _login(panel, "ketut"), _login(panel, "ketut")
    number = sessions.list_live(user.id)[0].id
    db.session.rollback()

    assert "Sesi ketut" in admin.get(f"/users/{user.id}/sessions").text
    assert admin.post(f"/users/{user.id}/sessions/{number}/end").status_code == 303
    assert admin.post(f"/users/{user.id}/sessions/{number}/end").status_code == 404
    assert sorted(browser.get("/").status_code for browser in (one, other)) == [200, 302]
    admin.post(f"/users/{user.id}/sessions/end")
    assert [browser.get("/").status_code for browser in (one, other)] == [302, 302]
    nobody = db.session.scalar(select(User.id).order_by(User.id.desc())) + 1
    assert admin.get(f"/users/{nobody}/sessions").status_code == 404


def test_a_changed_password_ends_the_sessions_elsewhere(panel: Flask):
    make_user("ketut", Role.VIEWER)
    here, there = _login(panel, "ketut"), _login(panel, "ketut")
    new = {"password": "sawah hijau subak", "again": "sawah hijau subak"}
    assert here.post("/password", data={"current": PASSWORD, **new}).status_code == 303

    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 302


def test_finding_the_person_costs_one_query(panel: Flask, viewer: FlaskClient):
    asked: list[str] = []
    with panel.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
        assert viewer.get("/runs/1/live").status_code == 404

    about_people = [text for text in asked if "login_sessions" in text or "users" in text]
    assert len(about_people) == 1
    plan = db.session.connection().exec_driver_sql(
        "EXPLAIN QUERY PLAN SELECT * FROM login_sessions WHERE token_hash = 'x'"
    )
    assert "USING INDEX" in str(plan.all())
