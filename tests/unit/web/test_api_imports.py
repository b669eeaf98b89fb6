"""Lists of villages over the API: looked at, told by cell, applied once."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from siappakai.domain.tokens import Scope
from siappakai.models import db
from tests.factories import make_district, make_server
from tests.unit.web.conftest import NewProgram

V1 = "/api/v1"
HEADINGS = "kode_desa,nama_desa,nama_kecamatan,domain,server\n"


@pytest.fixture
def client(program: NewProgram) -> FlaskClient:
    """A program of an administrator, with every scope."""
    return program(*Scope)


def _fields(answer: Any) -> list[str]:
    return [one["field"] for one in answer.json["errors"]]


def test_a_list_of_villages_is_looked_at_then_applied_once(client: FlaskClient):
    make_district()
    csv = f"{HEADINGS}51.02.01.2001,Bajera,,,\n51.02.01.2002,Antap,,,\n"
    seen = client.post(f"{V1}/imports", json={"csv": csv})
    assert (seen.status_code, seen.json["rows"], seen.json["new"]) == (201, 2, 2)
    assert (seen.json["is_applicable"], seen.json["problems"]) == (True, [])
    assert client.get(f"{V1}/villages").json["total"] == 0

    url = f"{V1}/imports/{seen.json['id']}/apply"
    done = client.post(url)
    assert done.json == {"created": 2, "updated": 0, "unchanged": 0, "planned": 0}
    assert client.post(url).status_code == 404
    assert client.get(f"{V1}/villages").json["total"] == 2


def test_a_list_with_an_error_names_its_cell_and_changes_nothing(client: FlaskClient):
    make_district()
    csv = f"{HEADINGS}51.02.01.2001,Bajera,,,\n51.02.01.20,Antap,,,\n"
    seen = client.post(f"{V1}/imports", json={"csv": csv}).json
    (problem,) = seen["problems"]
    assert (problem["row"], problem["column"], problem["level"]) == (3, "kode_desa", "error")
    assert seen["is_applicable"] is False
    assert client.post(f"{V1}/imports/{seen['id']}/apply").status_code == 409
    assert client.get(f"{V1}/villages").json["total"] == 0

    headless = client.post(f"{V1}/imports", json={"csv": "nama\nBajera\n"})
    assert (headless.status_code, _fields(headless)) == (422, ["csv"])


def test_a_list_that_plans_sites_takes_the_scope_that_plans_them(program: NewProgram):
    make_district()
    csv = f"{HEADINGS}51.02.01.2001,Bajera,,bajera.desa.id,{make_server().name}\n"
    db.session.commit()
    without = program(*set(Scope) - {Scope.SITES_INSTALL})
    url = f"{V1}/imports/{without.post(f'{V1}/imports', json={'csv': csv}).json['id']}/apply"
    assert without.post(url).status_code == 403
    assert without.get(f"{V1}/villages").json["total"] == 0

    done = program("villages:write", "sites:install").post(url)
    assert (done.json["created"], done.json["planned"]) == (1, 1)

    renamed = csv.replace("Bajera", "Bajera Baru")
    again = without.post(f"{V1}/imports", json={"csv": renamed}).json["id"]
    done = without.post(f"{V1}/imports/{again}/apply")
    assert (done.json["updated"], done.json["planned"]) == (1, 0)
