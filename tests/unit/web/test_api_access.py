"""Who may call what of the API: route, method, scope, role and id, and every bad token."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from siappakai.domain.states import RunState
from siappakai.domain.tokens import Scope
from siappakai.models import ApiToken, AuditEntry, Role, Run, User, Village, db, utc_now
from siappakai.services import accounts, login_throttle, settings, tokens
from siappakai.services.permissions import least_role_for, scopes_within
from siappakai.web import create_app
from siappakai.web.security import csrf
from tests.factories import BY, make_release, make_run, make_site, make_user
from tests.unit.web.conftest import NewProgram
from tests.unit.web.test_access import ORDER, SCOPE, calls

URL = "/api/v1/villages"
PROBLEM = "application/problem+json"
# It reaches for the server itself, which the network of unit tests forbids.
REACHING = {"api.check_server"}
BODIES: dict[str, dict[str, Any]] = {
    "api.register_village": {"code": "51.02.01.2099", "name": "Baru"},
    "api.update_village": {"name": "Baru"},
}
MISSING = {"code": "51.02.01.2999"}


def _of(program: NewProgram, role: Role) -> FlaskClient:
    """A program with every scope that the role may give."""
    return program(*scopes_within(role), role=role)


def _ids() -> dict[str, Any]:
    """Ids of things that are there."""
    release = make_release()
    site = make_site(release=release)
    wanted = {"release_id": release.id}
    run = make_run(targets=[site], state=RunState.FAILED, options=wanted)
    return {"code": site.village.code, "run_id": run.id, "server_id": site.server_id}


def _asked(panel: Flask, ids: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Give each operation's endpoint, method and address with these ids, and what to send."""
    adapter = panel.url_map.bind("localhost")
    for rule in panel.url_map.iter_rules():
        if rule.endpoint in SCOPE:
            given = {name: ids.get(name, 99_999) for name in rule.arguments}
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                codes = {"villages": [ids["code"]], "confirmed_count": 1}
                placed = {"villages": [{"code": ids["code"]}], "release": "v2410.0.0"}
                bodies = {
                    "api.check_sites": {"villages": [ids["code"]]},
                    "api.remove_sites": codes,
                    "api.install_sites": placed,
                }
                sent = (BODIES | bodies).get(rule.endpoint, {})
                yield rule.endpoint, method, adapter.build(rule.endpoint, given, method), sent


@pytest.mark.walk
def test_without_a_token_nothing_is_there_whoever_is_signed_in(
    panel: Flask, stranger: FlaskClient, admin: FlaskClient
):
    for _, method, url in calls(panel, of_api=True):
        for browser in (stranger, admin):
            answer = browser.open(url, method=method)
            assert answer.status_code == 401, (method, url)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer"), (method, url)
            assert answer.content_type == PROBLEM, (method, url)


@pytest.mark.walk
@pytest.mark.parametrize("role", Role)
def test_a_token_reaches_what_its_scope_is_for_and_no_more(
    panel: Flask, program: NewProgram, role: Role
):
    clients = {scope: program(scope, role=role) for scope in scopes_within(role)}
    for rule, method, url in calls(panel, of_api=True):
        if method in {"HEAD", "OPTIONS"}:
            continue  # Flask's own, of the address and not of one method there
        wanted = SCOPE[rule.endpoint]
        for scope, client in clients.items():
            if rule.endpoint in REACHING and scope == wanted:
                continue
            status = client.open(url, method=method).status_code
            if method not in (rule.methods or set()):
                assert status == 405, (method, url, scope)
            elif wanted in {"", scope}:
                assert status in {200, 404, 415}, (method, url, scope)
            else:
                assert status == 403, (method, url, scope)


@pytest.mark.parametrize("role", Role)
def test_scopes_end_where_the_role_does(panel: Flask, program: NewProgram, role: Role):
    """A token with all scopes, whose owner became less since."""
    client = _of(program, Role.ADMIN)
    owner = db.session.scalar(select(User))
    make_user(role=Role.ADMIN)
    accounts.set_role(owner.id, role, by=BY)
    ids = _ids()
    for endpoint, method, url, body in _asked(panel, ids):
        if endpoint in REACHING or not SCOPE[endpoint]:
            continue
        allowed = ORDER.index(role) >= ORDER.index(least_role_for(Scope(SCOPE[endpoint])))
        answer = client.open(url, method=method, json=body or None)
        assert (answer.status_code == 403) is not allowed, (method, url, answer.text)


def test_who_may_not_learns_nothing_from_an_id_and_changes_nothing(
    panel: Flask, program: NewProgram
):
    ids = _ids()
    missing = {"run_id": 99_999, "server_id": 99_999} | MISSING
    before = _state()
    for scope in Scope:
        client = program(scope)
        pairs = zip(_asked(panel, ids), _asked(panel, missing), strict=True)
        for (endpoint, method, url, body), (_, _, absent, other) in pairs:
            if SCOPE[endpoint] in {"", scope}:
                continue
            one = client.open(url, method=method, json=body or None)
            two = client.open(absent, method=method, json=other or None)
            assert one.status_code == two.status_code == 403, (method, url, scope)
            assert one.json == two.json, (method, url, scope)
    assert _state() == before


def test_ids_that_are_not_there_are_not_found(panel: Flask, program: NewProgram):
    make_release()
    client = _of(program, Role.ADMIN)
    before = _state()
    missing = {"run_id": 99_999, "server_id": 99_999} | MISSING
    for endpoint, method, url, body in _asked(panel, missing):
        named = "99999" in url or "2999" in url or "2999" in str(body)
        if named and endpoint != "api.register_village":
            answer = client.open(url, method=method, json=body or None)
            assert (answer.status_code, answer.content_type) == (404, PROBLEM), (method, url)
    assert _state() == before


@pytest.mark.parametrize(
    "odd", ["0", "2147483648", "-1", "1%20OR%201%3D1", "..%2f1", "1;ls", "%00", "%F0%9F"]
)
def test_odd_ids_are_refused(panel: Flask, program: NewProgram, odd: str):
    client = _of(program, Role.ADMIN)
    placeholder = dict.fromkeys(("code", "run_id", "server_id"), 99_999)
    for _, method, url, _ in _asked(panel, placeholder):
        if "99999" in url:
            answer = client.open(url.replace("99999", odd), method=method, json={"name": "Baru"})
            assert answer.status_code in {404, 422}, (method, url)
            assert answer.content_type == PROBLEM


def _state() -> list[Any]:
    """What a token could change."""
    db.session.rollback()
    rows = (db.session.execute(select(table.__table__)).all() for table in (Village, Run))
    return [list(one) for one in rows]


def _revoke(owner: User) -> None:
    tokens.revoke_token(tokens.list_tokens(owner.id)[0].id, by=BY)


def _expire(owner: User) -> None:
    tokens.list_tokens(owner.id)[0].expires_at = utc_now()
    db.session.commit()


def _disable(owner: User) -> None:
    accounts.disable_user(owner.id, by=BY)


def _reset(owner: User) -> None:
    accounts.reset_password(owner.id, by=BY)


def _require_codes(_owner: User) -> None:
    settings.put(settings.REQUIRE_TOTP_FOR_ADMINS, value=True, by=BY)


@pytest.mark.parametrize(
    ("deed", "status"),
    [(_revoke, 401), (_expire, 401), (_disable, 401), (_reset, 403), (_require_codes, 403)],
)
def test_a_token_ends_at_once(
    panel: Flask, program: NewProgram, deed: Callable[[User], None], status: int
):
    make_user(role=Role.ADMIN)
    owner = make_user(role=Role.ADMIN)
    client = program("villages:read", owner=owner)
    assert client.get(URL).status_code == 200
    deed(owner)

    answer = client.get(URL)
    assert answer.status_code == status
    assert answer.json["detail"]
    assert "items" not in answer.json


def test_an_account_opened_again_has_its_tokens_again(panel: Flask, program: NewProgram):
    make_user(role=Role.ADMIN)
    owner = make_user(role=Role.VIEWER)
    client = program("villages:read", owner=owner)
    accounts.disable_user(owner.id, by=BY)
    assert client.get(URL).status_code == 401
    accounts.enable_user(owner.id, by=BY)

    assert client.get(URL).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer x",
        "Basic c2lhcHBha2FpOg==",
        "Bearer siappakai_00000000_" + 43 * "A",
        "Bearer " + 100_000 * "a",
        "Bearer \xff",
        "Token abc",
    ],
)
def test_what_is_no_token_opens_nothing(stranger: FlaskClient, header: str):
    answer = stranger.get(URL, headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.json["type"] == "urn:siappakai:problem:token_refused"


def test_a_right_handle_with_a_wrong_secret_opens_nothing(
    panel: Flask, program: NewProgram, stranger: FlaskClient
):
    client = program("villages:read")
    text = client.environ_base["HTTP_AUTHORIZATION"]
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    answer = stranger.get(URL, headers={"Authorization": wrong})

    assert answer.status_code == 401
    assert "dicabut" not in answer.text
    assert "kedaluwarsa" not in answer.text


def test_bad_tokens_are_slowed_down_and_a_right_one_is_not(
    panel: Flask, program: NewProgram, stranger: FlaskClient
):
    client = program("villages:read")
    bad = {"Authorization": "Bearer siappakai_00000000_" + 43 * "A"}
    for _ in range(login_throttle.PER_ADDRESS):
        assert stranger.get(URL, headers=bad).status_code == 401
    answer = stranger.get(URL, headers=bad)

    assert (answer.status_code, answer.content_type) == (429, PROBLEM)
    noted = select(AuditEntry).where(AuditEntry.action == "token.fail")
    assert len(db.session.scalars(noted).all()) == login_throttle.PER_ADDRESS
    assert client.get(URL).status_code == 200


def test_a_token_has_a_pace(panel: Flask, program: NewProgram, monkeypatch: pytest.MonkeyPatch):
    present = panel.extensions["siappakai.settings"]
    slow = present.model_copy(update={"api_requests_per_minute": 3})
    monkeypatch.setitem(panel.extensions, "siappakai.settings", slow)
    client, other = program("villages:read"), program("villages:read")

    assert [client.get(URL).status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = client.get(URL)
    assert (answer.content_type, answer.headers["Retry-After"]) == (PROBLEM, "60")
    assert other.get(URL).status_code == 200


def test_processes_of_the_panel_count_together(panel: Flask, program: NewProgram, redis: str):
    present = panel.extensions["siappakai.settings"]
    slow = present.model_copy(update={"api_requests_per_minute": 3, "redis_url": redis})
    token = {"Authorization": program("villages:read").environ_base["HTTP_AUTHORIZATION"]}
    first, second = (create_app(slow).test_client() for _ in range(2))

    asked = [client.get(URL, headers=token).status_code for client in (first, second, first)]
    assert asked == [200, 200, 200]
    assert second.get(URL, headers=token).status_code == 429


@pytest.mark.patient
def test_a_redis_that_is_stuck_holds_nobody_up(panel: Flask, program: NewProgram, tmp_path: Path):
    present = panel.extensions["siappakai.settings"]
    token = {"Authorization": program("villages:read").environ_base["HTTP_AUTHORIZATION"]}
    path = tmp_path / "stuck.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        app = create_app(present.model_copy(update={"redis_url": f"unix://{path}"}))
        with ThreadPoolExecutor(4) as clients:
            asked = [clients.submit(app.test_client().get, URL, headers=token) for _ in range(4)]
            assert [one.result().status_code for one in asked] == [200] * 4


def test_a_token_opens_no_page(panel: Flask, program: NewProgram):
    client = _of(program, Role.ADMIN)

    assert client.get("/villages/").status_code == 302
    assert client.post("/villages/new").status_code == 401


def test_exactly_the_api_needs_no_csrf_token(panel: Flask, program: NewProgram, admin: FlaskClient):
    panel.config["WTF_CSRF_ENABLED"] = True
    make_site()
    db.session.commit()
    code = {"code": "5102012050", "name": "Baru"}

    assert csrf._exempt_blueprints == {panel.blueprints["api"]}  # noqa: SLF001 - there is no other way to ask
    assert csrf._exempt_views == set()  # noqa: SLF001 - as above
    assert _of(program, Role.ADMIN).post(URL, json=code).status_code == 201
    assert admin.post(URL, json=code).status_code == 401


def test_a_cookie_is_not_even_looked_at(panel: Flask, admin: FlaskClient, program: NewProgram):
    text = program("villages:read").environ_base["HTTP_AUTHORIZATION"]
    answer = admin.post(URL, json={}, headers={"Authorization": text})

    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in answer.headers.get("Vary", "")


def test_a_foreign_host_is_refused(program: NewProgram):
    answer = program("villages:read").get(URL, headers={"Host": "evil.example"})

    assert (answer.status_code, answer.content_type) == (400, PROBLEM)


def test_the_last_use_is_known_to_the_minute(panel: Flask, program: NewProgram):
    client = program("villages:read")
    client.get(URL)
    token = db.session.scalar(select(ApiToken))
    db.session.refresh(token)
    first = token.used_at
    assert token.used_from == "127.0.0.1"
    client.get(URL)
    db.session.refresh(token)
    assert token.used_at == first
    token.used_at = first - timedelta(minutes=2)
    db.session.commit()
    client.get(URL)
    db.session.refresh(token)

    assert token.used_at >= first
