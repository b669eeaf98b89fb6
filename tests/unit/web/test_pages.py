"""Every page is made, in both languages, with and without data."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from siappakai.domain.alerts import AlertKind, Severity
from siappakai.domain.states import RunState, ServerState, SiteState, StepState
from siappakai.models import Alert, LogChunk, Run, Step, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import servers, sources
from siappakai.services.runs import pack
from tests.factories import (
    make_regency,
    make_release,
    make_run,
    make_server,
    make_site,
    make_village,
)

PAGES = (
    "/",
    "/audit/",
    "/import/",
    "/password",
    "/releases/",
    "/runs/",
    "/servers/",
    "/servers/new",
    "/settings/",
    "/tokens/",
    "/tokens/all",
    "/tokens/new",
    "/users/",
    "/users/new",
    "/villages/",
    "/villages/new",
)


@pytest.fixture
def running() -> Run:
    """A run over four sites: one done, one failed, one at work, one waiting."""
    sites = [make_site() for _ in range(4)]
    run = make_run("install", sites, state=RunState.RUNNING, started_at=utc_now())
    states = (RunState.SUCCEEDED, RunState.FAILED, RunState.RUNNING, RunState.QUEUED)
    with transaction() as session:
        for target, state in zip(run.targets, states, strict=True):
            target.state = state
            target.started_at = utc_now() - timedelta(seconds=70)
            session.add(Step(target_id=target.id, name="Make folder", state=StepState.OK))
        run.targets[1].error = {"code": "unhealthy", "params": {}}
        run.targets[1].message = "home page answered 500"
        lines = [f"line {number}" for number in range(250)]
        session.add(LogChunk(run_id=run.id, first_line=0, lines=250, data=pack(lines)))
    return run


@pytest.mark.parametrize("language", ["id", "en"])
def test_pages_of_an_empty_registry_are_made(admin: FlaskClient, language: str):
    admin.post("/preferences", data={"language": language})

    for url in PAGES:
        answer = admin.get(url)
        assert answer.status_code == 200, url
        assert f'<html lang="{language}"' in answer.text, url


def test_the_dashboard_counts_and_names_what_failed(viewer: FlaskClient, running: Run):
    make_village(name="Tanpa Situs")
    text = viewer.get("/").text

    assert "Desa 2 · desa5102012002.example.id" in text
    assert "Situs terpasang tetapi tidak lolos pemeriksaan kesehatan." in text
    assert "Belum ada situs" in text


def test_a_failure_is_off_the_dashboard_once_a_newer_run_succeeded(
    viewer: FlaskClient, running: Run
):
    failed = running.targets[1]
    site = make_site(make_village(name="Lain"))
    make_run("install", [site], state=RunState.FAILED)
    make_run("install", [site], state=RunState.SUCCEEDED)
    text = viewer.get("/").text

    assert failed.label in text
    assert "Lain ·" not in text


def test_a_live_run_is_polled_and_shows_every_village(viewer: FlaskClient, running: Run):
    page = viewer.get(f"/runs/{running.id}").text
    fragment = viewer.get(f"/runs/{running.id}/live").text

    assert 'hx-trigger="every 1s"' in page
    assert 'hx-trigger="every 1s"' in fragment
    assert "<html" not in fragment
    assert "2 dari 4 selesai" in fragment
    for target in running.targets:
        assert target.label in fragment


def test_the_fragment_of_a_finished_run_comes_back_without_its_trigger(
    viewer: FlaskClient, running: Run
):
    with transaction():
        running.state = RunState.FAILED

    assert "hx-trigger" not in viewer.get(f"/runs/{running.id}/live").text


def test_a_target_is_opened_and_the_polling_keeps_it_open(viewer: FlaskClient, running: Run):
    target = running.targets[1]
    text = viewer.get(f"/runs/{running.id}?target={target.id}").text

    assert "Make folder" in text
    assert "home page answered 500" in text
    assert f"/runs/{running.id}/live?target={target.id}" in text


def test_targets_are_filtered_by_state(viewer: FlaskClient, running: Run):
    text = viewer.get(f"/runs/{running.id}/live?state=failed").text

    assert running.targets[1].label in text
    assert running.targets[0].label not in text
    assert viewer.get(f"/runs/{running.id}?state=odd").status_code == 404


def test_the_raw_log_is_paged(viewer: FlaskClient, running: Run):
    first = viewer.get(f"/runs/{running.id}/log").text
    rest = viewer.get(f"/runs/{running.id}/log?first=200").text

    assert "line 199" in first
    assert "line 200" not in first
    assert "line 249" in rest
    assert "Baris 201 sampai 250 dari 250" in rest


def test_villages_are_searched_filtered_sorted_and_paged(viewer: FlaskClient):
    with transaction():
        for number in range(55):
            make_village(name=f"Sawah {number:02}")
    make_site(make_village(name="Bukit"), release=make_release())

    first = viewer.get("/villages/").text
    assert "Halaman 1 dari 2" in first
    assert "Sawah 54" in viewer.get("/villages/?page=2").text
    assert "Bukit" in viewer.get("/villages/?state=active").text
    assert "Sawah" not in viewer.get("/villages/?release=v2410.0.0").text
    assert "Sawah 00" not in viewer.get("/villages/?sort=-name").text
    assert "Tidak ada desa yang cocok" in viewer.get("/villages/?query=laut").text
    assert viewer.get("/villages/?sort=odd").status_code == 422


def test_a_village_shows_its_site_and_no_secret(operator: FlaskClient, admin: FlaskClient):
    site = make_site(make_village(name="Bukit"), release=make_release())
    text = operator.get(f"/villages/{site.village.code}").text

    assert f'href="http://{site.domain}"' in text
    assert "Tampilkan login admin" not in text
    assert "Tampilkan login admin" in admin.get(f"/villages/{site.village.code}").text
    assert site.admin_password_sealed not in text


def test_menu_and_list_use_the_regencys_own_word_for_its_villages(viewer: FlaskClient):
    make_regency().village_word = "nagari"
    db.session.commit()
    text = viewer.get("/villages/").text

    assert "<h1>Nagari</h1>" in text
    assert "<h1>Desa</h1>" not in text
    assert viewer.get("/").text.count("Nagari</a>") == 1


def test_a_server_shows_its_facts_and_warnings(viewer: FlaskClient):
    server = make_server(
        "Kominfo",
        state=ServerState.ENROLLED,
        facts={"memory_bytes": 8 * 1024**3, "warnings": ["Jam berselisih."], "disk_bytes": None},
    )
    text = viewer.get(f"/servers/{server.id}").text

    assert "8 GB" in text
    assert "Jam berselisih." in text
    assert "Siapkan server" not in text


def test_the_banner_tells_that_the_stand_in_is_in_use(viewer: FlaskClient, settings):
    assert "Aplikasi peraga sedang dipakai" not in viewer.get("/").text
    sources.use_source(settings, stand_in=True, by="admin")

    assert "Aplikasi peraga sedang dipakai" in viewer.get("/").text


def test_an_administrator_switches_the_source_of_releases(admin: FlaskClient, settings):
    assert "Pakai aplikasi peraga" in admin.get("/releases/").text
    assert admin.post("/releases/source/stand_in").status_code == 303
    assert sources.source_status().stand_in
    assert "Kembali ke sumber OpenSID" in admin.get("/releases/").text

    refused = admin.post("/releases/source/configured")
    assert refused.status_code == 403
    assert settings.release_source in refused.text
    assert sources.source_status().stand_in


def test_the_drain_is_announced_on_every_page(admin: FlaskClient):
    admin.post("/settings/drain/on")
    assert "Armada sedang ditahan" in admin.get("/villages/").text
    admin.post("/settings/drain/off")
    assert "Armada sedang ditahan" not in admin.get("/villages/").text


def test_healthz_answers_anybody(stranger: FlaskClient):
    assert stranger.get("/healthz").text == "ok\n"


def test_removed_sites_count_as_no_site(viewer: FlaskClient):
    make_site(make_village(name="Bukit"), release=make_release(), state=SiteState.REMOVED)
    db.session.expire_all()

    assert "Desa ini belum punya situs" not in viewer.get("/villages/").text
    assert "/villages/?state=none" in viewer.get("/").text


def test_language_and_theme_are_remembered(stranger: FlaskClient):
    stranger.post("/preferences", data={"language": "en", "next": "/login"})
    stranger.post("/preferences", data={"theme": "dark", "next": "//evil.example"})
    text = stranger.get("/login").text

    assert '<html lang="en" data-theme="dark"' in text
    assert "Sign in" in text
    stranger.post("/preferences", data={"theme": "pink", "language": "xx"})
    assert '<html lang="en" data-theme="dark"' in stranger.get("/login").text


@pytest.mark.walk
@pytest.mark.parametrize(
    "url",
    [
        "/villages/?endpoint=x&_anchor=y&_external=1",
        "/runs/1?run_id=3&endpoint=x",
        "/runs/1/live?run_id=3",
        "/runs/1/log?first=99999999999999999999999",
        "/runs/?page=99999999999999999999999&state=queued",
        "/runs/?play=%00&server=%00&requested_by=%F0%9F%8C%BE",
        "/servers/?query=%25_%00",
    ],
)
def test_an_odd_query_breaks_no_page(viewer: FlaskClient, url: str):
    with transaction():
        make_run("install", [make_site() for _ in range(60)])

    answer = viewer.get(url)
    assert answer.status_code == 200


def test_runs_are_narrowed_and_stay_so_from_page_to_page(viewer: FlaskClient):
    with transaction():
        server = make_server("satu")
        for _ in range(51):
            make_run("server", [server], state=RunState.FAILED)
        make_run("install", [make_site()], state=RunState.FAILED)

    page = viewer.get("/runs/?state=failed&play=server&server=satu").text
    assert "#51" in page
    assert "#52" not in page
    assert "/runs/?state=failed&amp;play=server&amp;server=satu&amp;page=2" in page
    assert '<option value="server" selected>' in page
    assert "Tidak ada pekerjaan yang cocok" in viewer.get("/runs/?requested_by=tiada").text


def test_servers_are_searched(viewer: FlaskClient):
    make_server("satu")
    make_server("dua", address="203.0.113.9")

    page = viewer.get("/servers/?query=113.9").text
    assert ">dua</a>" in page
    assert ">satu</a>" not in page
    assert "Tidak ada server yang cocok" in viewer.get("/servers/?query=tiga").text


@pytest.mark.parametrize("url", ["/runs/99999999999999999999", "/servers/99999999999999999999"])
def test_a_number_beyond_all_numbers_is_not_there(viewer: FlaskClient, url: str):
    assert viewer.get(url).status_code == 404


def test_the_dashboard_names_open_alerts_and_what_to_do(viewer: FlaskClient):
    with transaction() as session:
        for number in range(6):
            alert = Alert(
                kind=AlertKind.QUEUE_DOWN,
                subject=f"queue {number}",
                label="Redis",
                severity=Severity.CRITICAL,
                params={},
                sighting="1",
                open_key=f"queue_down {number}",
                raised_at=utc_now(),
                last_seen_at=utc_now(),
            )
            session.add(alert)
        alert.acknowledged_at = utc_now()

    page = viewer.get("/").text
    assert page.count("Antrean (Redis) tidak menjawab") == 5
    assert "Peringatan terbuka" in page
    assert "Semua 6 peringatan" not in page


def test_a_server_tells_what_lies_on_it(viewer: FlaskClient):
    server = make_server("satu")
    older, newer = make_release("v2409.0.0"), make_release("v2410.0.0")
    for release, state in ((older, "active"), (newer, "active"), (newer, "active")):
        make_site(server=server, release=release, state=SiteState(state))
    make_site(server=server)
    make_site(server=make_server("dua"), release=older)

    assert [
        (one.release, one.state.value, one.sites) for one in servers.holdings_of(server.id)
    ] == [
        ("v2410.0.0", "active", 2),
        ("v2409.0.0", "active", 1),
        ("", "planned", 1),
    ]
    page = viewer.get(f"/servers/{server.id}").text
    assert "/villages/?server=satu&amp;state=active&amp;release=v2410.0.0" in page
