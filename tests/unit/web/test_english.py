"""What services refuse is told in the reader's language, also when it was stored before."""

import io
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from siappakai.domain.alerts import DeliveryState
from siappakai.domain.states import RunState
from siappakai.models import Delivery, Run, Site, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import channels, deliveries, execution, leases, runs, sources, steps
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


def test_what_a_run_waits_for(reader: FlaskClient):
    server = factories.make_server()
    holder, waiting = (
        factories.make_run("install", [factories.make_site(server=server)]),
        factories.make_run("server", [server]),
    )
    assert leases.claim(holder.id) is not None
    assert leases.claim(waiting.id) is None

    assert f"Waiting for run {holder.id}." in reader.get(f"/runs/{waiting.id}").text


def test_a_run_that_broke_in_the_panels_hands(reader: FlaskClient):
    run = factories.make_run("install", [factories.make_site()])
    current_settings().credentials_file.unlink()
    execution.execute(run.id)

    target = runs.targets_of(run.id).items[0]
    page = reader.get(f"/runs/{run.id}?target={target.id}").text
    assert target.message.startswith("Berkas kunci")
    assert "The key file" in page
    assert "Berkas kunci" not in page


def test_a_lost_run_tells_why_it_is_looked_at_again(reader: FlaskClient):
    site = factories.make_site(release=factories.make_release())
    run = factories.make_run("install", [site])
    assert leases.claim(run.id) is not None
    with transaction() as session:
        begun = session.get_one(Run, run.id)
        begun.targets[0].state = RunState.RUNNING
        begun.lease_until = utc_now() - timedelta(seconds=1)
        session.get_one(Site, site.id).app_key_sealed = "rusak"
    leases.expired()
    execution.execute(run.id)

    page = reader.get(f"/runs/{run.id}").text
    assert "What is so on the server is not known yet, it is looked at again: " in page
    assert "belum diketahui" not in page
    assert "Ansible stopped: " in page


def test_a_step_that_was_cut_off(reader: FlaskClient):
    run = factories.make_run(state=RunState.RUNNING)
    with transaction() as session:
        steps.start_step(session, run.targets[0].id, "check", utc_now())
        steps.interrupt_steps(session, run.targets[0].id)

    page = reader.get(f"/runs/{run.id}?target={run.targets[0].id}").text
    assert "Stopped half-way." in page


def test_why_a_message_did_not_arrive(admin: FlaskClient):
    admin.post("/preferences", data={"language": "en"})
    address = "json://127.0.0.1:9/x"
    channel, _ = channels.create_channel(name="Jaga", kind="apprise", address=address, by="x")
    channels.request_test(channel.id, by=factories.BY)
    with transaction() as session:
        delivery = session.scalars(select(Delivery)).one()
        delivery.state, delivery.next_try_at = DeliveryState.SENDING, utc_now()
    deliveries.deliver(channel.id)

    page = admin.get(f"/channels/{channel.id}").text
    assert "Not finished in time: the channel hangs" in page


def test_why_the_stand_in_is_used(reader: FlaskClient):
    gone = current_settings().model_copy(update={"release_source": "/tidak/ada"})
    sources.choose_source(gone, by=factories.BY)
    db.session.expire_all()

    page = reader.get("/releases/").text
    assert "Release source /tidak/ada: " in page
    assert "Sumber rilis" not in page


def test_a_text_of_a_server_is_never_taken_for_one_of_ours(reader: FlaskClient):
    forged = '\x1e["Dibatalkan.", {}]'
    run = factories.make_run(state=RunState.FAILED)
    with transaction():
        run.targets[0].message = forged
    db.session.expire_all()

    assert runs.targets_of(run.id).items[0].message == forged


def test_a_number_that_is_nought_is_told_too(panel: Flask):
    with panel.test_request_context():
        assert retell(say("Isi %(least)s sampai %(most)s menit.", least=0, most=9)).count("0") == 1
        assert retell(None) == retell("") == ""
