"""What the API does: the panel's deeds through the panel's services, told as JSON."""

from typing import Any

import bcrypt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from siappakai.domain.states import RunState, ServerState, SiteState, StepState
from siappakai.domain.tokens import Scope
from siappakai.errors import UnreachableError
from siappakai.models import AuditEntry, LogChunk, Role, Run, Site, Step, Village, db
from siappakai.models.transactions import WRITES, transaction
from siappakai.services import accounts, enrolment, runs, site_secrets, villages
from tests.factories import (
    BY,
    make_district,
    make_release,
    make_run,
    make_server,
    make_site,
    make_user,
)
from tests.factories import make_village as village
from tests.unit.web.conftest import NewProgram

V1 = "/api/v1"
PROBLEM = "application/problem+json"


@pytest.fixture
def client(program: NewProgram) -> FlaskClient:
    """A program of an administrator, with every scope."""
    return program(*Scope)


def is_writing() -> bool:
    """Tell whether a transaction is open that keeps other writers waiting."""
    return bool(db.session.connection().get_execution_options().get(WRITES))


def _fields(answer: Any) -> list[str]:
    return [one["field"] for one in answer.json["errors"]]


def test_villages_are_listed_filtered_sorted_and_paged(client: FlaskClient):
    make_site(village(name="Bajera"), release=make_release())
    village(name="Antap"), village(name="Wanagiri")

    def names(words: str) -> list[str]:
        return [one["name"] for one in client.get(f"{V1}/villages?{words}").json["items"]]

    assert names("sort=-name") == ["Wanagiri", "Bajera", "Antap"]
    assert names("state=active") == ["Bajera"]
    assert names("state=none&query=wana") == ["Wanagiri"]
    assert names("release=v2410.0.0&server=server1&district=51.02.01") == ["Bajera"]
    page = client.get(f"{V1}/villages?per_page=2&page=2").json
    assert (page["total"], page["page"], page["pages"], len(page["items"])) == (3, 2, 2, 1)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("page=0", "page"),
        ("per_page=501", "per_page"),
        ("page=1&page=2", "page"),
        ("state=odd", "state"),
        ("sort=id", "sort"),
        ("query=%00", "query"),
        ("nothing=1", "nothing"),
    ],
)
def test_a_bad_question_names_its_field(client: FlaskClient, words: str, field: str):
    answer = client.get(f"{V1}/villages?{words}")

    assert (answer.status_code, answer.content_type) == (422, PROBLEM)
    assert _fields(answer) == [field]


def test_a_village_is_registered_shown_and_renamed(client: FlaskClient):
    make_district()
    made = client.post(f"{V1}/villages", json={"code": "51.02.01.2001", "name": "Bajera"})
    assert (made.status_code, made.json["plain_code"]) == (201, "5102012001")
    changed = client.patch(f"{V1}/villages/5102012001", json={"name": "Antap"})
    shown = client.get(f"{V1}/villages/51.02.01.2001")

    assert changed.json == shown.json
    assert (shown.json["name"], shown.json["site"]) == ("Antap", None)
    actors = set(db.session.scalars(select(AuditEntry.actor).where(AuditEntry.action.like("v%"))))
    assert all(actor.startswith("api:admin1:") for actor in actors)


def test_what_the_service_refuses_is_told_with_its_field(client: FlaskClient):
    make_district()
    village("5102012001")
    taken = client.post(f"{V1}/villages", json={"code": "5102012001", "name": "Bajera"})
    unnamed = client.post(f"{V1}/villages", json={"code": "5102012002", "name": " "})

    assert (taken.status_code, taken.json["type"]) == (409, "urn:siappakai:problem:conflict")
    assert taken.json["detail"]
    assert taken.json["todo"]
    assert (unnamed.status_code, _fields(unnamed)) == (422, ["name"])


@pytest.mark.parametrize(
    ("sent", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"name=x", "application/x-www-form-urlencoded", 415),
        (b"", "", 415),
        (b"[]", "application/json", 422),
        (b'{"name": 1}', "application/json", 422),
        (b'{"name": "x", "code": "5102012001"}', "application/json", 422),
        (b'"' + 9_000_000 * b"x" + b'"', "application/json", 413),
    ],
)
def test_a_body_that_is_none_changes_nothing(
    client: FlaskClient, sent: bytes, kind: str, status: int
):
    code = village(name="Bajera").code
    answer = client.patch(f"{V1}/villages/{code}", data=sent, content_type=kind)

    assert (answer.status_code, answer.content_type) == (status, PROBLEM)
    assert answer.json["status"] == status
    db.session.rollback()
    assert db.session.scalar(select(Village.name)) == "Bajera"


def test_an_answer_is_not_as_long_as_a_wrong_question(client: FlaskClient):
    codes = [{"code": "x", **dict.fromkeys(map(str, range(100)), 1)} for _ in range(400)]
    answer = client.post(f"{V1}/sites/install", json={"villages": codes})

    assert (answer.status_code, len(answer.json["errors"])) == (422, 20)


def test_other_errors_are_problems_too(client: FlaskClient, monkeypatch: pytest.MonkeyPatch):
    missing, foreign = client.get(f"{V1}/nothing"), client.put(f"{V1}/villages")
    assert (missing.status_code, missing.content_type) == (404, PROBLEM)
    assert (foreign.status_code, foreign.content_type) == (405, PROBLEM)
    assert set(foreign.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}

    def away(**_words: object) -> None:
        raise OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr(villages, "list_villages", away)
    answer = client.get(f"{V1}/villages")
    assert (answer.status_code, answer.content_type) == (503, PROBLEM)
    assert "select" not in answer.text


def test_an_error_of_ours_tells_nothing_of_its_cause(
    panel: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    def broken(**_words: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(villages, "list_villages", broken)
    monkeypatch.setattr(panel, "testing", False)
    monkeypatch.setitem(panel.config, "PROPAGATE_EXCEPTIONS", value=False)
    answer = client.get(f"{V1}/villages")

    assert (answer.status_code, answer.content_type) == (500, PROBLEM)
    assert "secret" not in answer.text


def test_refusals_are_told_in_the_language_of_the_owner(panel: Flask, program: NewProgram):
    owner = make_user()
    client = program("runs:read", owner=owner)
    client.set_cookie("language", "en")
    assert client.get(f"{V1}/runs/9").json["detail"] == "Pekerjaan 9 tidak ada."
    accounts.set_language(owner.id, "en", by=BY)

    assert client.get(f"{V1}/runs/9").json["detail"] == "There is no run 9."
    assert client.get(f"{V1}/villages").json["detail"].startswith("This token does not have")
    stranger = panel.test_client().get(f"{V1}/runs/9")
    assert stranger.json["detail"] == "Permintaan ini tanpa token."


def test_servers_and_releases_are_told_without_secrets(client: FlaskClient):
    release, server = make_release(), make_server()
    listed = client.get(f"{V1}/servers").json["items"]

    assert [one["name"] for one in listed] == [server.name]
    assert client.get(f"{V1}/servers/{server.id}").json == listed[0]
    assert client.get(f"{V1}/servers?query={server.name}").json["items"] == listed
    assert client.get(f"{V1}/servers?query=tiada").json["items"] == []
    assert "host_key" not in listed[0]
    assert client.get(f"{V1}/releases").json["items"][0]["version"] == release.version


def test_a_server_is_looked_at(client: FlaskClient, monkeypatch: pytest.MonkeyPatch):
    server = make_server()
    db.session.commit()

    def silent(_server: object) -> dict[str, Any]:
        raise UnreachableError("Server tidak menjawab.")

    monkeypatch.setattr(enrolment, "look_again", silent)
    answer = client.post(f"{V1}/servers/{server.id}/check")
    assert (answer.status_code, answer.content_type) == (503, PROBLEM)
    monkeypatch.setattr(enrolment, "look_again", lambda _server: {"certificates": {}})
    answer = client.post(f"{V1}/servers/{server.id}/check")
    assert (answer.status_code, answer.json["id"]) == (200, server.id)
    assert answer.json["probed_at"]


def test_sites_are_planned_installed_checked_and_removed(client: FlaskClient):
    release, server, one, two = make_release(), make_server(), village(), village()
    codes = [one.code, two.code]
    placed = [{"code": one.code, "domain": "a.example.id"}, {"code": two.code}]
    wish = {"villages": placed, "release": release.version, "server_id": server.id}
    half = client.post(f"{V1}/sites/install", json=wish)
    assert (half.status_code, _fields(half)) == (422, [f"domain-{two.code}"])
    placed[1]["domain"] = "b.example.id"
    asked = client.post(f"{V1}/sites/install", json=wish)
    assert (asked.status_code, asked.json["total"]) == (202, 1)
    assert asked.json["items"][0]["play"] == "install"

    _finish(SiteState.ACTIVE)
    checked = client.post(f"{V1}/sites/check", json={"villages": codes})
    assert checked.json["items"][0]["play"] == "health"
    wrong = client.post(f"{V1}/sites/remove", json={"villages": codes, "confirmed_count": 1})
    assert (wrong.status_code, _fields(wrong)) == (422, ["confirmed_count"])
    right = client.post(f"{V1}/sites/remove", json={"villages": codes, "confirmed_count": 2})
    assert (right.status_code, right.json["items"][0]["play"]) == (202, "remove")


def _finish(state: SiteState) -> None:
    with transaction() as session:
        for site in session.scalars(select(Site)):
            site.state = state
        for run in session.scalars(select(Run)):
            run.state = RunState.SUCCEEDED
            for target in run.targets:
                target.state = RunState.SUCCEEDED


def test_a_village_without_a_site_or_a_server_that_is_not_ready_is_refused(client: FlaskClient):
    code = village().code
    server = make_server(state=ServerState.ENROLLED)
    assert client.post(f"{V1}/sites/check", json={"villages": [code]}).status_code == 404
    placed = [{"code": code, "domain": "a.example.id"}]
    wish = {"villages": placed, "release": make_release().version, "server_id": server.id}

    assert client.post(f"{V1}/sites/install", json=wish).status_code == 403
    assert db.session.scalar(select(Run)) is None


def test_a_run_is_told_with_targets_steps_and_log(client: FlaskClient):
    run = make_run(targets=[make_site(release=make_release())], state=RunState.FAILED)
    with transaction() as session:
        target = run.targets[0]
        target.error = {"code": "disk_full"}
        session.add(Step(target_id=target.id, name="load", state=StepState.FAILED, seconds=1.5))
        lines = [f"baris {number}" for number in range(30)]
        session.add(LogChunk(run_id=run.id, first_line=0, lines=30, data=runs.pack(lines)))
    url = f"{V1}/runs/{run.id}"

    assert [one["id"] for one in client.get(f"{V1}/runs?state=failed").json["items"]] == [run.id]
    assert client.get(f"{V1}/runs?state=queued").json["items"] == []
    assert client.get(f"{V1}/runs?play=install&state=failed").json["total"] == 1
    assert client.get(f"{V1}/runs?play=health&state=failed").json["total"] == 0
    assert client.get(f"{V1}/runs?server=tiada").json["items"] == []
    assert client.get(f"{V1}/runs?requested_by=tiada").json["items"] == []
    assert client.get(url).json["progress"] == {"failed": 1}
    told = client.get(f"{url}/targets").json["items"][0]
    assert (told["error"], told["steps"][0]["name"]) == ("disk_full", "load")
    assert client.get(f"{url}/targets?state=queued").json["total"] == 0
    log = client.get(f"{url}/log?first_line=10&lines=5").json
    assert log == {"first_line": 10, "total": 30, "lines": lines[10:15]}


def test_runs_are_cancelled_and_repeated(client: FlaskClient):
    release = make_release()
    wanted = {"release_id": release.id}
    failed = make_run(targets=[make_site(release=release)], state=RunState.FAILED, options=wanted)
    db.session.commit()
    again = client.post(f"{V1}/runs/{failed.id}/retry")
    assert (again.status_code, again.json["items"][0]["retry_of"]) == (202, failed.id)
    number = again.json["items"][0]["id"]

    assert client.post(f"{V1}/runs/{number}/cancel").json["state"] == "cancelled"
    twice = client.post(f"{V1}/runs/{number}/cancel")
    assert (twice.status_code, twice.content_type) == (409, PROBLEM)


@pytest.mark.parametrize(
    ("play", "scope"), [("install", "sites:install"), ("health", "sites:check")]
)
def test_repeating_a_run_takes_the_scope_that_asks_for_it(
    program: NewProgram, play: str, scope: str
):
    release = make_release()
    wanted = {"release_id": release.id}
    run = make_run(play, [make_site(release=release)], state=RunState.FAILED, options=wanted)
    db.session.commit()
    url = f"{V1}/runs/{run.id}/retry"
    others = set(Scope) - {scope}

    refused = program(*others).post(url)
    assert (refused.status_code, refused.content_type) == (403, PROBLEM)
    assert scope in refused.json["detail"]
    assert program("runs:write", scope).post(url).status_code == 202


def test_no_program_prepares_a_server_again(program: NewProgram):
    run = make_run("server", targets=[make_server()], state=RunState.FAILED)
    db.session.commit()

    refused = program(*Scope).post(f"{V1}/runs/{run.id}/retry")
    assert (refused.status_code, refused.content_type) == (403, PROBLEM)


def test_any_run_is_cancelled_without_the_scope_that_asks_for_it(program: NewProgram):
    run = make_run()
    db.session.commit()

    assert program("runs:write").post(f"{V1}/runs/{run.id}/cancel").status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "malam-ini-2"}])
def test_passwords_are_hashed_before_others_must_wait(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
):
    release, server = make_release(), make_server()
    placed = [{"code": village().code, "domain": f"desa{n}.example.id"} for n in range(2)]
    db.session.commit()
    hashed_inside: list[bool] = []
    real = bcrypt.hashpw

    def note(password: bytes, salt: bytes) -> bytes:
        hashed_inside.append(is_writing())
        return real(password, salt)

    monkeypatch.setattr(site_secrets.bcrypt, "hashpw", note)
    wanted = {"villages": placed, "release": release.version, "server_id": server.id}
    answer = client.post(f"{V1}/sites/install", json=wanted, headers=headers)

    assert answer.status_code == 202
    assert hashed_inside == [False, False]
    db.session.rollback()
    made = set(db.session.scalars(select(Site.admin_password_hash)))
    assert len(made) == 2
    assert all(one.startswith("$2y$") for one in made)


def test_the_same_request_sent_again_is_done_once(client: FlaskClient, program: NewProgram):
    code = make_site(release=make_release()).village.code
    db.session.commit()
    sent = {"json": {"villages": [code]}, "headers": {"Idempotency-Key": "malam-ini-1"}}
    first, second = (client.post(f"{V1}/sites/check", **sent) for _ in range(2))

    assert first.json == second.json
    assert first.status_code == second.status_code == 202
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    removal = {"villages": [code], "confirmed_count": 1}
    other = client.post(f"{V1}/sites/remove", headers=sent["headers"], json=removal)
    assert other.status_code == 409
    foreign = program("sites:check", owner=make_user()).post(f"{V1}/sites/check", **sent)
    assert "Idempotent-Replayed" not in foreign.headers
    assert db.session.query(Run).count() == 2
    odd = client.post(f"{V1}/sites/check", json=sent["json"], headers={"Idempotency-Key": "x"})
    assert (odd.status_code, _fields(odd)) == (422, ["Idempotency-Key"])


def test_a_kept_answer_is_not_for_a_token_whose_owner_became_less(program: NewProgram):
    make_user()
    owner = make_user(role=Role.OPERATOR)
    client = program("sites:check", owner=owner)
    code = make_site(release=make_release()).village.code
    db.session.commit()
    sent = {"json": {"villages": [code]}, "headers": {"Idempotency-Key": "malam-ini-1"}}
    assert client.post(f"{V1}/sites/check", **sent).status_code == 202
    accounts.set_role(owner.id, Role.VIEWER, by=BY)

    assert client.post(f"{V1}/sites/check", **sent).status_code == 403
