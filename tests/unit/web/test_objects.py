"""Every route with an id, by every role, with one that exists, does not, or is another's."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule

from siappakai.domain.alerts import AlertKind, Severity
from siappakai.domain.recurrence import Every, Recurrence
from siappakai.domain.states import RunState
from siappakai.models import Alert, ApiToken, Base, Role, db, utc_now
from siappakai.models.transactions import transaction
from siappakai.services import channels, imports, schedules, sessions, tokens
from siappakai.services.schedule_orders import Order
from siappakai.web.bearer import is_api_endpoint
from tests.factories import (
    BY,
    make_regency,
    make_release,
    make_run,
    make_server,
    make_site,
    make_user,
)
from tests.unit.services.test_backups import make_backup, make_store
from tests.unit.web.test_access import LOWEST, ORDER, REFUSED

pytestmark = pytest.mark.walk

# Arguments that choose among a few words and name nothing in the registry.
NO_IDS = {"filename", "file_format", "kind", "state", "verb"}
WORDS = {"file_format": "csv", "kind": "configured", "state": "off", "verb": "enable"}
MISSING = {
    "code": "5102012999",
    "draft_id": "nothing-of-the-kind-xx",
    "name": "tiada",
    "version": "v2401.0.0",
}
# What would be something else if it were put together into a query, a path or a command.
ODD = ("0", "2147483647", "2147483648", "-1", "1%20OR%201%3D1", "..%2f1", "1;ls", "%00", "%F0%9F")
# They reach for the server itself, which the network of unit tests forbids; their own tests are
# tests/integration/test_ssh.py and test_enrol_host.py.
REACHING = {"servers.inspect_host_key", "servers.pin_host_key", "servers.probe"}
# Its version is one of the release source, which is asked for it; the registry has none yet.
OF_THE_SOURCE = {"releases.pin"}
# Tried by tests of their own: what is one's own alone, and what reaches beyond the registry.
ELSEWHERE = {*REACHING, *OF_THE_SOURCE, "sessions.end", "tokens.revoke"}
ELSEWHERE |= {"extracts.create", "extracts.fetch"}
# The least a form must say for its route to look at the id at all.
FORMS: dict[str, dict[str, str]] = {
    "releases.note_seen": {"php": "8.2"},
    "servers.abandon": {"confirmed_count": "0"},
    "stores.remove": {"typed": "gudang"},
    "servers.update": {"name": "Baru", "parallelism": "2"},
    "users.set_role": {"role": "viewer"},
    "villages.rename": {"nama_desa": "Baru"},
}
CSV = b"kode_desa,nama_desa,nama_kecamatan\n51.02.01.2001,Bajera,Selemadeg\n"


def _draft() -> str:
    make_regency()
    return imports.preview_import(CSV, filename="desa.csv", by=BY).id


OBJECTS: dict[str, Callable[[], Any]] = {
    "code": lambda: make_site().village.code,
    "draft_id": _draft,
    "run_id": lambda: make_run(state=RunState.FAILED).id,
    "server_id": lambda: make_server().id,
    "session_id": lambda: _session(make_user().id),
    "site_id": lambda: make_site().id,
    "user_id": lambda: make_user().id,
    "version": lambda: make_release().version,
}


def _session(user_id: int) -> int:
    found = sessions.find(sessions.begin(user_id, address="192.0.2.9", browser=""))
    assert found is not None
    return found.id


def _alert() -> int:
    now = utc_now()
    with transaction() as session:
        alert = Alert(
            kind=AlertKind.QUEUE_DOWN,
            subject=f"server:{now.timestamp()}",
            label="Server",
            severity=Severity.WARNING,
            sighting="1",
            open_key=None,
            raised_at=now,
            last_seen_at=now,
        )
        session.add(alert)
    return alert.id


def _channel() -> int:
    name = f"Saluran {utc_now().timestamp()}"
    address = "https://hooks.example/panel"
    return channels.create_channel(name=name, kind="webhook", address=address, by=BY)[0].id


def _schedule() -> int:
    order = Order("health", Recurrence(Every.DAY, "02:00"))
    name = f"Jadwal {utc_now().timestamp()}"
    return schedules.create_schedule(name=name, order=order, by=BY).id


OBJECTS["alert_id"] = _alert
OBJECTS["name"] = lambda: make_store(f"gudang-{utc_now().timestamp():.6f}".replace(".", "-")).name
OBJECTS["backup_id"] = lambda: make_backup(make_site()).id


def _token() -> int:
    made = tokens.create_token(make_user().id, name="Laporan", scopes=["runs:read"], days=1, by=BY)
    return made[0].id


OBJECTS["channel_id"] = _channel
OBJECTS["schedule_id"] = _schedule
OBJECTS["token_id"] = _token


def _rules(panel: Flask) -> list[Rule]:
    # The API has a matrix of its own: test_api_access.py.
    rules = [rule for rule in panel.url_map.iter_rules() if not is_api_endpoint(rule.endpoint)]
    return [rule for rule in rules if set(rule.arguments) - NO_IDS]


def _calls(panel: Flask, ids: Callable[[Rule], dict[str, Any]]) -> Iterator[tuple[Rule, str, str]]:
    """Give each route with an id, each method it has, and its address for `ids`."""
    adapter = panel.url_map.bind("localhost")
    for rule in _rules(panel):
        words = {name: WORDS[name] for name in rule.arguments if name in WORDS}
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield rule, method, adapter.build(rule.endpoint, words | ids(rule), method=method)


def _present(rule: Rule) -> dict[str, Any]:
    made = {name: OBJECTS[name]() for name in rule.arguments if name in OBJECTS}
    if rule.endpoint == "users.end_session":
        made["session_id"] = _session(made["user_id"])
    db.session.commit()
    return made


def _missing(rule: Rule) -> dict[str, Any]:
    return {name: MISSING.get(name, 99_999) for name in rule.arguments if name not in NO_IDS}


def _registry() -> str:
    """Return all that is in the registry."""
    db.session.rollback()
    return str([db.session.execute(select(table)).all() for table in Base.metadata.sorted_tables])


def _ask(browser: FlaskClient, rule: Rule, method: str, url: str) -> Any:
    form = FORMS.get(rule.endpoint, {}) if method == "POST" else None
    return browser.open(url, method=method, data=form, buffered=True)


def _said(answer: Any, url: str) -> str:
    """Return a page without what differs each time: its own address, and the CSRF token."""
    return re.sub(r'name="csrf_token" value="[^"]*"', "", answer.text.replace(url, ""))


def _is_allowed(role: Role, rule: Rule) -> bool:
    return ORDER.index(role) >= ORDER.index(LOWEST[rule.endpoint])


def test_every_kind_of_id_is_in_this_matrix(panel: Flask):
    used = {name for rule in _rules(panel) for name in rule.arguments} - NO_IDS

    assert used == set(OBJECTS)


@pytest.mark.parametrize("role", [None, *Role])
def test_who_may_not_learns_nothing_and_changes_nothing(panel: Flask, sign_in, role: Role | None):
    browser = panel.test_client() if role is None else sign_in(role)
    for (rule, method, url), (_, _, absent) in zip(
        _calls(panel, _present), _calls(panel, _missing), strict=True
    ):
        if role is not None and _is_allowed(role, rule):
            continue
        before = _registry()
        answer, other = (_ask(browser, rule, method, one) for one in (url, absent))
        assert answer.status_code == other.status_code, (method, url)
        assert answer.status_code in ({302, 401} if role is None else {403}), (method, url)
        assert _said(answer, url) == _said(other, absent), (method, url)
        assert _registry() == before, (method, url)


@pytest.mark.parametrize("role", Role)
def test_an_id_that_does_not_exist_is_not_found_by_any_verb(panel: Flask, sign_in, role: Role):
    browser = sign_in(role)
    for rule, method, url in _calls(panel, _missing):
        if _is_allowed(role, rule) and rule.endpoint not in OF_THE_SOURCE:
            before = _registry()
            assert _ask(browser, rule, method, url).status_code == 404, (method, url)
            assert _registry() == before, (method, url)


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_id_is_refused_and_changes_nothing(panel: Flask, admin: FlaskClient, odd: str):
    before = _registry()
    for rule, method, url in _calls(panel, lambda rule: dict.fromkeys(_missing(rule), 99_999)):
        answer = _ask(admin, rule, method, url.replace("99999", odd))
        assert answer.status_code in {404, 405, 422}, (method, url, odd)
    assert _registry() == before


@pytest.mark.parametrize("role", Role)
def test_an_id_that_exists_is_found_by_who_may(panel: Flask, sign_in, role: Role):
    browser = sign_in(role)
    for rule, method, url in _calls(panel, _present):
        if _is_allowed(role, rule) and rule.endpoint not in ELSEWHERE:
            answer = _ask(browser, rule, method, url)
            # A rule may still refuse it (no certificate without a site), the role does not.
            assert REFUSED not in answer.text, (method, url)
            assert answer.status_code < 500, (method, url)
            assert answer.status_code != 404, (method, url)


@pytest.mark.parametrize("role", Role)
def test_somebody_elses_session_is_not_found_under_ones_own(panel: Flask, sign_in, role: Role):
    browser, person = sign_in(role), make_user()
    foreign = _session(person.id)
    db.session.commit()

    assert browser.post(f"/sessions/{foreign}/end").status_code == 404
    assert sessions.list_live(person.id)


@pytest.mark.parametrize("role", Role)
def test_somebody_elses_token_is_not_found_under_ones_own(panel: Flask, sign_in, role: Role):
    browser, foreign = sign_in(role), _token()
    db.session.commit()

    assert browser.post(f"/tokens/{foreign}/revoke").status_code == 404
    assert db.session.get_one(ApiToken, foreign).revoked_at is None


def test_a_session_is_not_found_under_another_person(admin: FlaskClient):
    person, other = make_user(), make_user()
    number = _session(person.id)
    db.session.commit()

    assert admin.post(f"/users/{other.id}/sessions/{number}/end").status_code == 404
    assert sessions.list_live(person.id)
    assert admin.post(f"/users/{person.id}/sessions/{number}/end").status_code == 303
