"""Pages of schedules: what they show, what they change, what they refuse."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from siappakai.domain.recurrence import Every, Recurrence
from siappakai.domain.states import RunState
from siappakai.models import Alert, Run, Schedule, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import alerts, firing, schedules, settings
from siappakai.services.schedule_orders import Order
from siappakai.web.forms.schedules import ScheduleForm
from tests.factories import BY, make_district, make_release, make_server, make_site, make_village

DAILY = Order("health", Recurrence(Every.DAY, "02:00"))
# 02:00 in Jakarta, of the day after the mark.
DUE = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)


@pytest.fixture
def schedule(panel) -> Schedule:
    made = schedules.create_schedule(name="Periksa malam", order=DAILY, by=BY)
    with transaction() as session:
        session.get_one(Schedule, made.id).settled_until = "2026-11-23T00:00:00"
    return made


def fields(**changes: object) -> dict[str, object]:
    given = {"name": "Mingguan", "action": "health", "every": "week", "weekdays": ["mo", "fr"]}
    given |= {"server_id": "", "district": ""}
    return {**given, "at": "03:30", "spread_minutes": "10", "grace_minutes": "90", **changes}


def fresh() -> None:
    """See what the panel wrote."""
    db.session.commit()
    db.session.expire_all()


def test_without_schedules_the_page_says_what_they_are_for(viewer: FlaskClient):
    text = viewer.get("/schedules/").text
    assert "Belum ada jadwal" in text
    assert "Buat jadwal" not in text


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Recurrence(Every.DAY, "02:00"), "Setiap hari pukul 02.00"),
        (Recurrence(Every.WEEK, "02:00", ["mo", "fr"]), "Setiap Senin, Jumat pukul 02.00"),
        (Recurrence(Every.MONTH, "02:00", month_day=1), "Setiap tanggal 1 pukul 02.00"),
        (
            Recurrence(Every.MONTH, "02:00", month_day=31),
            "Setiap tanggal 31 atau hari terakhir bulan pukul 02.00",
        ),
    ],
)
def test_when_it_comes_round_is_a_sentence(viewer: FlaskClient, rule: Recurrence, words: str):
    schedules.create_schedule(name="Jadwal", order=Order("prune", rule), by=BY)
    assert words in viewer.get("/schedules/").text


def test_for_whom_it_is_is_said(viewer: FlaskClient):
    server, district = make_server("Kominfo"), make_district("510201", "Selemadeg")
    scopes = {
        "Seluruh armada": {},
        "Server Kominfo": {"server_id": server.id},
        "Kecamatan Selemadeg": {"district": district.code},
        "Kecamatan Selemadeg di Kominfo": {"server_id": server.id, "district": district.code},
    }
    for words, scope in scopes.items():
        order = Order("health", Recurrence(Every.DAY, "02:00"), **scope)
        made = schedules.create_schedule(name=words, order=order, by=BY)
        assert words in viewer.get(f"/schedules/{made.id}").text.partition("<dl")[2]


def test_one_is_made_as_the_form_says(admin: FlaskClient):
    server = make_server()
    answer = admin.post("/schedules/new", data=fields(server_id=str(server.id)))
    fresh()
    (made,) = schedules.list_schedules()
    assert answer.headers["Location"] == f"/schedules/{made.id}"
    assert (made.weekdays, made.at, made.server_id) == (["mo", "fr"], "03:30", server.id)
    assert (made.spread_minutes, made.grace_minutes) == (10, 90)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weekdays": []}, "Belum ada hari yang dipilih."),
        ({"every": "month", "month_day": "32"}, "Tanggal belum sah."),
        ({"every": "month"}, "Tanggal belum sah."),
        ({"at": "25:00"}, "Jam “25:00” tidak sah."),
        ({"grace_minutes": "1"}, "1 menit di luar batas."),
        ({"action": "prune", "server_id": "1"}, "Tindakan ini bukan tentang server."),
        ({"name": ""}, "Isi nama jadwal."),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(
    admin: FlaskClient, changes: dict[str, object], words: str
):
    make_server()
    answer = admin.post("/schedules/new", data=fields(**changes))
    assert answer.status_code == 422
    assert words in answer.text
    fresh()
    assert schedules.list_schedules() == []


@pytest.mark.parametrize("changes", [{"action": "remove"}, {"every": "year"}, {"server_id": "9"}])
def test_what_the_form_does_not_offer_is_refused(admin: FlaskClient, changes: dict[str, object]):
    assert admin.post("/schedules/new", data=fields(**changes)).status_code == 422


def test_it_is_changed_by_its_own_page(admin: FlaskClient, schedule: Schedule):
    page = admin.get(f"/schedules/{schedule.id}").text
    assert 'value="Periksa malam"' in page
    assert 'value="02:00"' in page
    url = f"/schedules/{schedule.id}/update"
    assert admin.post(url, data=fields(name="Baru")).status_code == 303
    fresh()
    changed = schedules.get_schedule(schedule.id)
    assert (changed.name, changed.every) == ("Baru", Every.WEEK)
    assert admin.post(url, data=fields(at="")).status_code == 422


def test_its_page_shows_it_as_it_is(admin: FlaskClient, panel: Flask):
    order = Order(
        "health",
        Recurrence(Every.WEEK, "23:15", ("tu", "sa")),
        server_id=make_server().id,
        district=make_district("510201").code,
        spread_minutes=7,
        grace_minutes=45,
    )
    made = schedules.create_schedule(name="Sempit", order=order, by=BY)
    page = admin.get(f"/schedules/{made.id}").text
    for value in ("health", order.server_id, "510201"):
        assert f'<option selected value="{value}"' in page
    for value in ("week", "tu", "sa"):
        assert re.search(rf'<input checked [^>]*value="{value}"', page)
    with panel.test_request_context():
        assert ScheduleForm.of(schedules.get_schedule(made.id)).order() == order


def test_an_operator_pauses_and_resumes(operator: FlaskClient, schedule: Schedule):
    operator.post(f"/schedules/{schedule.id}/pause")
    assert "Jadwal ini dijeda" in operator.get(f"/schedules/{schedule.id}").text
    assert "Dijeda" in operator.get("/schedules/").text
    operator.post(f"/schedules/{schedule.id}/resume")
    page = operator.get(f"/schedules/{schedule.id}").text
    assert "Jadwal ini dijeda" not in page
    assert "Ubah jadwal" not in page


def test_one_is_deleted(admin: FlaskClient, schedule: Schedule):
    assert admin.post(f"/schedules/{schedule.id}/remove").headers["Location"] == "/schedules/"
    fresh()
    assert schedules.list_schedules() == []


def test_what_became_of_it_is_told_with_its_runs_and_reasons(
    viewer: FlaskClient, schedule: Schedule
):
    make_site(make_village(), make_server("Kominfo"), release=make_release())
    firing.fire_due(DUE)
    settings.set_drain(drain=True, by=BY)
    firing.fire_due(DUE + timedelta(days=1))
    settings.set_drain(drain=False, by=BY)
    firing.fire_due(DUE + timedelta(days=2))
    firing.fire_due(DUE + timedelta(days=3, hours=5))
    page = viewer.get(f"/schedules/{schedule.id}").text
    run = db.session.scalars(select(Run)).one()
    assert "Dijalankan" in page
    assert f'href="/runs/{run.id}"' in page
    assert "armada sedang ditahan." in page
    assert "Kominfo: pekerjaan serupa belum selesai di sana." in page
    assert "terlambat melewati batasnya." in page
    assert "23 Nov 2026, 02.00" in page


def test_the_dashboard_shows_what_was_and_what_comes(viewer: FlaskClient, schedule: Schedule):
    firing.fire_due(DUE)
    page = viewer.get("/").text
    assert "Jadwal berikutnya" in page
    assert "23 Nov 2026, 02.00" in page
    assert page.count("Periksa malam") == 2


def test_what_was_not_done_is_an_alert_until_it_is(viewer: FlaskClient, schedule: Schedule):
    settings.set_drain(drain=True, by=BY)
    firing.fire_due(DUE)
    settings.set_drain(drain=False, by=BY)
    alerts.review(since=utc_now())
    alert = db.session.scalars(select(Alert).where(Alert.kind == "schedule_undone")).one()
    page = viewer.get(f"/alerts/{alert.id}").text
    assert "Jadwal tidak dijalankan: Periksa malam" in page
    assert "23 Nov 2026, 02.00" in page
    assert f'href="/schedules/{schedule.id}"' in page
    firing.fire_due(DUE + timedelta(days=1))
    alerts.review(since=utc_now())
    fresh()
    assert db.session.get_one(Alert, alert.id).ended_at is not None
    assert db.session.scalars(select(Run).where(Run.state == RunState.QUEUED)).all() == []


def test_in_english_too(admin: FlaskClient, schedule: Schedule):
    firing.fire_due(DUE + timedelta(hours=5))
    admin.post("/preferences", data={"language": "en"})
    page = admin.get(f"/schedules/{schedule.id}").text
    assert "Every day at 02.00" in page
    assert "later than its limit" in page
    refused = admin.post("/schedules/new", data=fields(weekdays=[])).text
    assert "No day was chosen." in refused
