"""What may be done to servers, and what is said when it may not."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from siappakai.domain.states import ServerState
from siappakai.models import Run, Server, db
from tests.factories import make_release, make_server, make_site

SERVER = {
    "name": "Kominfo 1",
    "port": "22",
    "user": "siappakai",
    "http_address": "",
    "http_port": "8081",
    "https_port": "8443",
    "php": "8.3, 8.2",
    "parallelism": "12",
}


def _all(model):
    # The panel has written through a session of its own; look at what is there now.
    db.session.rollback()
    db.session.expire_all()
    return list(db.session.scalars(select(model).order_by(model.id)))


def test_a_server_is_prepared_or_forgotten(admin: FlaskClient):
    server = make_server()
    answer = admin.post(f"/servers/{server.id}/prepare")
    (run,) = _all(Run)
    assert answer.headers["Location"] == f"/runs/{run.id}"
    assert admin.post(f"/servers/{server.id}/forget").status_code == 409
    admin.post(f"/runs/{run.id}/cancel")
    admin.post(f"/servers/{server.id}/forget")
    assert admin.get(f"/servers/{server.id}").status_code == 404


def test_a_machine_that_is_gone_is_abandoned_once_its_sites_were_counted(admin: FlaskClient):
    site = make_site(release=make_release())
    path = f"/servers/{site.server_id}/abandon"
    assert path in admin.get(f"/servers/{site.server_id}").text
    assert "memuat 1 situs" in admin.get(path).text
    assert admin.post(path, data={"confirmed_count": "2"}).status_code == 422
    assert admin.get(f"/servers/{site.server_id}").status_code == 200
    assert admin.post(path, data={"confirmed_count": "1"}).headers["Location"] == "/servers/"
    assert admin.get(f"/servers/{site.server_id}").status_code == 404


def test_a_servers_ports_and_pace_are_changed(admin: FlaskClient):
    server = make_server("Kominfo")
    path, given = f"/servers/{server.id}", {**SERVER, "address": server.address}
    assert 'value="8.2"' in admin.get(path).text
    assert admin.post(f"{path}/update", data=given).status_code == 303
    (changed,) = _all(Server)
    assert (changed.name, changed.http_port, changed.parallelism) == ("Kominfo 1", 8081, 12)
    assert changed.php_versions == ["8.3", "8.2"]
    assert changed.state is ServerState.ENROLLED


@pytest.mark.parametrize(
    ("field", "value"),
    [("http_port", "70000"), ("parallelism", "65"), ("php", "delapan"), ("http_address", "x")],
)
def test_what_a_server_cannot_have_is_told_beside_its_field(
    admin: FlaskClient, field: str, value: str
):
    server = make_server("Kominfo")
    given = {**SERVER, "address": server.address, field: value}
    answer = admin.post(f"/servers/{server.id}/update", data=given)

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert _all(Server)[0].name == "Kominfo"


def test_this_machine_as_a_server_has_no_ssh_to_change(admin: FlaskClient):
    server = make_server("Panel", connection="local", address="127.0.0.1", host_key="")
    assert 'name="user"' not in admin.get(f"/servers/{server.id}").text
    admin.post(f"/servers/{server.id}/update", data=SERVER)

    assert _all(Server)[0].parallelism == 12


def test_enrolling_names_every_bad_field(admin: FlaskClient):
    assert 'id="address-error"' in admin.post("/servers/new", data={"port": "22"}).text
    answer = admin.post(
        "/servers/enrol", data={"address": "192.0.2.1", "port": "22", "fingerprint": "SHA256:x"}
    )
    assert answer.status_code == 422
    for name in ("confirmed", "name", "user"):
        assert f'id="{name}-error"' in answer.text, name
    assert _all(Server) == []
    local = admin.post("/servers/enrol-local", data={"name": "!", "prefix": "X", "root": "/"})
    assert local.status_code == 422
