"""Pages of API tokens: made and shown once, listed, revoked, by owner and administrator."""

import logging

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from siappakai.models import ApiToken, Role, User, db
from siappakai.services import tokens
from tests.factories import BY, make_user

WISH = {"name": "Laporan", "scopes": ["villages:read", "runs:read"], "days": "30"}
API = "/api/v1/villages"


def _shown(page: str) -> str:
    return page.partition('<code class="secret">')[2].partition("</code>")[0]


def _tokens() -> list[ApiToken]:
    db.session.rollback()
    return list(db.session.scalars(select(ApiToken)))


def test_a_token_is_shown_once_and_opens_the_api(panel: Flask, viewer: FlaskClient):
    text = _shown(viewer.post("/tokens/new", data=WISH).text)
    page = viewer.get("/tokens/").text

    assert text.startswith("siappakai_")
    assert text not in page
    assert "Laporan" in page
    assert f"siappakai_{_tokens()[0].handle}_…" in page
    answer = panel.test_client().get(API, headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 200


def test_only_what_the_role_may_give_is_offered_and_taken(viewer: FlaskClient, admin: FlaskClient):
    assert "sites:remove" not in viewer.get("/tokens/new").text
    assert "sites:remove" in admin.get("/tokens/new").text
    answer = viewer.post("/tokens/new", data={**WISH, "scopes": ["sites:remove"]})

    assert answer.status_code == 422
    assert _tokens() == []


@pytest.mark.parametrize(
    "changes", [{"name": ""}, {"scopes": []}, {"days": "0"}, {"days": "366"}, {"days": "x"}]
)
def test_what_is_missing_is_said_beside_its_field(viewer: FlaskClient, changes: dict[str, object]):
    answer = viewer.post("/tokens/new", data={**WISH, **changes})

    assert answer.status_code == 422
    assert 'class="error"' in answer.text
    assert _tokens() == []


def test_ones_own_is_revoked_and_anothers_is_not(sign_in, viewer: FlaskClient):
    viewer.post("/tokens/new", data=WISH)
    number = _tokens()[0].id
    other = sign_in(Role.ADMIN)

    assert f"/tokens/{number}/revoke" not in other.get("/tokens/").text
    assert other.post(f"/tokens/{number}/revoke").status_code == 404
    assert viewer.post(f"/tokens/{number}/revoke").status_code == 303
    assert _tokens()[0].revoked_at is not None
    assert "Dicabut" in viewer.get("/tokens/").text


def test_an_administrator_sees_and_revokes_all(admin: FlaskClient, operator: FlaskClient):
    user = make_user("ketut", Role.VIEWER)
    token, _ = tokens.create_token(user.id, name="x", scopes=["runs:read"], days=1, by=BY)
    db.session.commit()
    page = admin.get("/tokens/all").text

    assert "ketut" in page
    assert f"/tokens/all/{token.id}/revoke" in page
    assert operator.post(f"/tokens/all/{token.id}/revoke").status_code == 403
    assert admin.post(f"/tokens/all/{token.id}/revoke").status_code == 303
    assert _tokens()[0].revoked_at is not None
    assert admin.post("/tokens/all/99999/revoke").status_code == 404


def test_no_token_reaches_a_log(
    panel: Flask, viewer: FlaskClient, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    text = _shown(viewer.post("/tokens/new", data=WISH).text)
    program = panel.test_client()
    for url in (API, "/api/v1/servers", "/api/v1/nothing", f"{API}?page=x"):
        program.get(url, headers={"Authorization": f"Bearer {text}"})
    db.session.scalar(select(User)).is_enabled = False
    db.session.commit()
    assert program.get(API, headers={"Authorization": f"Bearer {text}"}).status_code == 401

    assert text.rpartition("_")[2] not in caplog.text
