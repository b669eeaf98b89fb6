"""What is measured, against a registry and a queue made here."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from siappakai import dispatch
from siappakai.config import Settings
from siappakai.domain.states import TERMINAL, RunState, ServerState, SiteState
from siappakai.models import Setting, db, utc_now
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import rounds
from siappakai.services.settings import DRAIN
from tests.databases import every_database
from tests.factories import make_release, make_run, make_server, make_site, make_village

pytestmark = pytest.mark.usefixtures("registry")
GIB = 1024**3
Labels = tuple[tuple[str, str], ...]


def scrape(browser: FlaskClient) -> dict[str, float]:
    """Return each sample, named as Prometheus shows it: `name{label="value"}`."""
    answer = browser.get("/metrics")
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    families = text_string_to_metric_families(answer.text)
    return {
        _shown(one.name, one.labels): one.value for family in families for one in family.samples
    }


def _shown(name: str, labels: dict[str, str]) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{inside}}}" if inside else name


def test_an_empty_installation(stranger: FlaskClient):
    found = scrape(stranger)

    assert found["siappakai_queue_up"] == 0
    assert not any(name.startswith(("siappakai_queue_jobs", "siappakai_workers")) for name in found)
    assert found["siappakai_clock_tick_age_seconds"] == float("inf")
    assert found["siappakai_lookout_age_seconds"] == float("inf")
    assert found["siappakai_villages"] == 0
    for state in RunState:
        assert found[f'siappakai_runs{{state="{state}"}}'] == 0
        assert found[f'siappakai_targets{{state="{state}"}}'] == 0
    assert found['siappakai_servers{state="ready"}'] == 0
    assert found["siappakai_oldest_lease_age_seconds"] == 0


def test_the_clock_the_lookout_and_the_drain_switch(stranger: FlaskClient):
    _note("last_tick_at", seconds_ago=40)
    _note("last_lookout_at", seconds_ago=90)
    with transaction() as session:
        session.merge(Setting(key=DRAIN, value=True))

    found = scrape(stranger)

    assert found["siappakai_clock_tick_age_seconds"] == pytest.approx(40, abs=5)
    assert found["siappakai_lookout_age_seconds"] == pytest.approx(90, abs=5)
    assert found["siappakai_draining"] == 1
    assert list(found.values()).count(float("inf")) == 0


@every_database
def test_runs_and_targets_open_or_of_the_last_day(stranger: FlaskClient):
    now = utc_now()
    first, second = make_site(), make_site(make_village())
    make_run(targets=[first, second], created_at=now - timedelta(minutes=7))
    make_run(targets=[first], created_at=now - timedelta(days=9), state=RunState.LOST)
    make_run(targets=[second], state=RunState.FAILED, ended_at=now - timedelta(hours=1))
    make_run(targets=[second], state=RunState.FAILED, ended_at=now - timedelta(hours=25))
    make_run(targets=[first, second], state=RunState.LOST, ended_at=now - timedelta(hours=1))

    found = scrape(stranger)

    states = {"queued": (1, 2), "lost": (2, 3), "failed": (1, 1), "succeeded": (0, 0)}
    for state, (runs, targets) in states.items():
        assert found[f'siappakai_runs{{state="{state}"}}'] == runs
        assert found[f'siappakai_targets{{state="{state}"}}'] == targets
    assert found["siappakai_oldest_queued_run_age_seconds"] == pytest.approx(420, abs=5)


@every_database
def test_how_long_runs_took(stranger: FlaskClient):
    server = make_server()
    for play, state, hours, seconds in (
        ("install", RunState.SUCCEEDED, 1, 15),
        ("install", RunState.FAILED, 2, 100),
        ("install", RunState.SUCCEEDED, 3, 20_000),
        ("install", RunState.LOST, 1, 30),
        ("install", RunState.SUCCEEDED, 25, 30),
        ("prepare", RunState.CANCELLED, 1, 4),
    ):
        ended = utc_now() - timedelta(hours=hours)
        started = ended - timedelta(seconds=seconds)
        make_run(play, [server], state=state, started_at=started, ended_at=ended)
    cancelled_in_the_queue = {"state": RunState.CANCELLED, "ended_at": utc_now()}
    make_run("prepare", [server], **cancelled_in_the_queue)

    found = scrape(stranger)

    bounds = {"5.0": 0, "15.0": 1, "60.0": 1, "120.0": 2, "14400.0": 2, "+Inf": 3}
    for bound, count in bounds.items():
        name = f'siappakai_run_duration_seconds_bucket{{le="{bound}",play="install"}}'
        assert found[name] == count
    assert found['siappakai_run_duration_seconds_gcount{play="install"}'] == 3
    assert found['siappakai_run_duration_seconds_gsum{play="install"}'] == 20_115
    assert found['siappakai_run_duration_seconds_gcount{play="prepare"}'] == 1


@every_database
def test_signs_of_life_of_running_runs(stranger: FlaskClient):
    lease, now = current_settings().lease_seconds, utc_now()
    for age in (2, lease + 12):
        until = now + timedelta(seconds=lease - age)
        make_run(targets=[make_site(make_village())], state=RunState.RUNNING, lease_until=until)

    found = scrape(stranger)

    assert found["siappakai_oldest_lease_age_seconds"] == pytest.approx(lease + 12, abs=2)
    assert found["siappakai_expired_leases"] == 1


@every_database
def test_villages_and_sites_by_release_and_state(stranger: FlaskClient):
    new, old = make_release("v2410.0.0"), make_release("v2409.0.0")
    make_site(release=new)
    make_site(make_village(), release=new)
    make_site(make_village(), release=old, state=SiteState.BROKEN)
    make_site(make_village())
    make_site(make_village(), state=SiteState.REMOVED)
    make_village()

    found = scrape(stranger)

    assert found["siappakai_villages"] == 6
    assert {name: value for name, value in found.items() if name.startswith("siappakai_sites")} == {
        'siappakai_sites{release="v2410.0.0",state="active"}': 2,
        'siappakai_sites{release="v2409.0.0",state="broken"}': 1,
        'siappakai_sites{release="",state="planned"}': 1,
    }


def test_servers_by_state_and_their_disks(stranger: FlaskClient):
    facts = {"disk_free_bytes": 7 * GIB, "disk_bytes": 40 * GIB}
    make_server("satu", facts=facts, probed_at=utc_now() - timedelta(minutes=3))
    make_server("dua", silent_since=utc_now(), state=ServerState.ENROLLED)
    make_server("lama", state=ServerState.FORGOTTEN, facts=facts)

    found = scrape(stranger)

    servers = {name: value for name, value in found.items() if name.startswith("siappakai_server")}
    assert servers.pop('siappakai_server_probe_age_seconds{server="satu"}') == pytest.approx(
        180, abs=5
    )
    assert servers == {
        'siappakai_servers{state="enrolled"}': 1,
        'siappakai_servers{state="ready"}': 1,
        'siappakai_servers{state="failed"}': 0,
        'siappakai_server_silent{server="satu"}': 0,
        'siappakai_server_silent{server="dua"}': 1,
        'siappakai_server_disk_free_bytes{server="satu"}': 7 * GIB,
        'siappakai_server_disk_bytes{server="satu"}': 40 * GIB,
    }


def test_the_queue(settings: Settings, new_panel, redis: str):
    own = settings.model_copy(update={"redis_url": redis})
    browser = new_panel(own).test_client()
    dispatch.send(own, 1)
    dispatch.send(own, 2)
    dispatch.send(own, 3, dispatch.SETTLE)
    rounds.note_tick()

    found = scrape(browser)

    assert found["siappakai_queue_up"] == 1
    for queue, jobs in (("runs", 2), ("settle", 1), ("clock", 0)):
        assert found[f'siappakai_queue_jobs{{queue="{queue}"}}'] == jobs
        assert found[f'siappakai_workers{{queue="{queue}"}}'] == 0
        age = found[f'siappakai_queue_oldest_job_age_seconds{{queue="{queue}"}}']
        assert 0 < age < 60 if jobs else age == 0
    assert browser.get("/readyz").json["ready"] is True


def test_no_scrape_reads_a_whole_table_of_history(panel: Flask, stranger: FlaskClient):
    make_run(state=RunState.FAILED, ended_at=utc_now())
    asked: list[tuple[str, tuple[object, ...]]] = []

    with panel.app_context():
        engine = db.engine

        @event.listens_for(engine, "before_cursor_execute")
        def note(_connection, _cursor, statement, parameters, _context, _many):
            asked.append((statement, parameters))

        scrape(stranger)
        event.remove(engine, "before_cursor_execute", note)
        with engine.connect() as connection:
            plans = [
                row[-1]
                for statement, parameters in asked
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]

    history = {plan for plan in plans if any(name in plan for name in ("runs", "targets"))}
    assert history == {
        "SEARCH runs USING COVERING INDEX ix_runs_state (state=?)",
        "SEARCH runs USING INDEX ix_runs_state (state=?)",
        "SEARCH runs USING COVERING INDEX ix_runs_ended_state (ended_at>?)",
        "SEARCH runs USING INDEX ix_runs_ended_state (ended_at>?)",
        "SEARCH targets USING COVERING INDEX ix_targets_run_state (run_id=?)",
    }
    # By its state one finds few open runs, or all that ever ended.
    assert not any(set(TERMINAL) & set(parameters) for _, parameters in asked)
    sites = [plan for plan in plans if "sites" in plan]
    assert sites == ["SCAN sites USING COVERING INDEX ix_sites_release_state"]


def _note(key: str, *, seconds_ago: float) -> None:
    at = utc_now() - timedelta(seconds=seconds_ago)
    with transaction() as session:
        session.merge(Setting(key=key, value=at.isoformat()))
