"""Lists of the panel in the order a heading asks for."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tests.factories import make_server, make_site, make_village

pytestmark = pytest.mark.usefixtures("registry")


def _order(client: FlaskClient, path: str, names: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(re.findall(rf"\b(?:{names})\b(?=</a>|\s*<)", answer.text))


def test_servers_by_name_by_sites_and_by_what_they_have(viewer: FlaskClient) -> None:
    full = make_server(name="penuh", facts={"cpus": 2})
    make_server(name="kosong", facts={"cpus": 16})
    make_server(name="asing", facts={})
    make_site(make_village(), full)
    names = "penuh|kosong|asing"
    assert _order(viewer, "/servers/", names) == "asing kosong penuh"
    assert _order(viewer, "/servers/?sort=-sites", names).startswith("penuh")
    assert _order(viewer, "/servers/?sort=cpus", names) == "penuh kosong asing"
    assert _order(viewer, "/servers/?sort=-cpus", names) == "kosong penuh asing"
    assert 'aria-sort="descending"' in viewer.get("/servers/?sort=-cpus").text
    assert viewer.get("/servers/?sort=host_key").status_code == 422


def test_users_by_role(admin: FlaskClient, viewer: FlaskClient) -> None:
    first = admin.get("/users/?sort=role").text
    last = admin.get("/users/?sort=-role").text
    rows = [re.findall(r'<th scope="row">\s*([a-z]+)', text) for text in (first, last)]
    assert rows[0] == ["viewer", "admin"]
    assert rows[1] == ["admin", "viewer"]
    assert admin.get("/users/?sort=password_hash").status_code == 422
