"""What services refuse is told in the reader's language, also when it was stored before."""

import io

import pytest
from flask import Flask
from flask.testing import FlaskClient

from siappakai.domain.states import RunState
from siappakai.models.transactions import transaction
from siappakai.services import runs
from siappakai.web.languages import retell
from siappakai.wording import say
from tests import factories


@pytest.fixture
def reader(operator: FlaskClient) -> FlaskClient:
    """An operator who reads English."""
    operator.post("/preferences", data={"language": "en"})
    return operator


def test_a_refused_form_field(reader: FlaskClient):
    server, release = factories.make_server(), factories.make_release()
    village = factories.make_village()
    answer = reader.post(
        "/sites/install",
        data={
            "village": [village.code],
            f"domain-{village.code}": "no domain",
            "server_id": server.id,
            "release_id": release.id,
        },
    )

    assert "“no domain” is not a valid value for domain." in answer.text
    assert "Example: bajera.desa.id" in answer.text


def test_a_page_that_is_not_there(reader: FlaskClient):
    page = reader.get("/runs/4711").text

    assert "There is no run 4711." in page
    assert "See the list of runs." in page


def test_problems_kept_with_an_import(reader: FlaskClient):
    factories.make_regency()
    file = b"kode_desa,nama_desa,nama_kecamatan\n99,Bajera,Selemadeg\n"
    sent = reader.post("/import/", data={"file": (io.BytesIO(file), "desa.csv")})

    page = reader.get(sent.headers["Location"]).text
    assert "The village code “99” is not valid." in page
    assert "tidak sah" not in page


def test_the_end_of_a_target_kept_with_its_run(reader: FlaskClient):
    run = factories.make_run("install", [factories.make_site()], state=RunState.QUEUED)
    with transaction():
        run.targets[0].error = {"code": "interrupted", "params": {}}
    runs.request_cancel(run.id, by=factories.BY)

    page = reader.get(f"/runs/{run.id}").text
    assert "Cancelled before it began." in page


def test_a_number_that_is_nought_is_told_too(panel: Flask):
    with panel.test_request_context():
        assert retell(say("Isi %(least)s sampai %(most)s menit.", least=0, most=9)).count("0") == 1
        assert retell(None) == retell("") == ""
