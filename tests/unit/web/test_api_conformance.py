"""Schemathesis asks every operation of the API, with what its schema allows and what it does not.

Derandomised and bounded: the same requests each time. The network of unit tests is shut, so the
one operation that reaches for a server is left to its own test.
"""

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from siappakai.domain.states import RunState
from siappakai.domain.tokens import Scope
from siappakai.services import login_throttle
from siappakai.web.api.routes import document
from tests.factories import make_release, make_run, make_site, make_user
from tests.unit.web.conftest import NewProgram

pytestmark = pytest.mark.walk
NO_ADDRESS = "Alamat ini tidak ada."

schema = schemathesis.openapi.from_dict(document.document()).exclude(operation_id="check_server")

bounded = settings(
    max_examples=8,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def fast(panel: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The panel over a registry with something in it; its limits have tests of their own."""
    monkeypatch.setattr(login_throttle, "PER_ADDRESS", 1_000_000)
    present = panel.extensions["siappakai.settings"]
    changed = present.model_copy(update={"api_requests_per_minute": 1_000_000})
    monkeypatch.setitem(panel.extensions, "siappakai.settings", changed)
    for state in (RunState.QUEUED, RunState.FAILED, RunState.SUCCEEDED):
        release = make_release()
        options = {"release_id": release.id}
        make_run(targets=[make_site(release=release)], state=state, options=options)
    return panel


@pytest.fixture
def headers(program: NewProgram) -> dict[str, dict[str, str]]:
    """For each scope a token with it alone; under "-scope" one with all others."""
    owner = make_user()
    tokens = {scope.value: program(scope, owner=owner) for scope in Scope}
    tokens |= {f"-{scope}": program(*set(Scope) - {scope}, owner=owner) for scope in Scope}
    return {
        name: {"Authorization": client.environ_base["HTTP_AUTHORIZATION"]}
        for name, client in tokens.items()
    }


@schema.parametrize()
@bounded
def test_every_operation_keeps_its_promises(case: schemathesis.Case, fast: Flask, headers):
    case.operation.schema.app = fast
    scope = case.operation.definition.raw["security"][0]["token"][0]
    # A rule of ours can refuse what a schema lets pass: a village is registered only once.
    excused = [] if case.method == "GET" else [positive_data_acceptance]
    case.call_and_validate(app=fast, headers=headers[scope], excluded_checks=excused)

    told = case.call(app=fast, headers=headers[f"-{scope}"])
    is_there = told.status_code != 405 and told.json()["detail"] != NO_ADDRESS
    # Some cases carry a bad token of their own: 401.
    assert told.status_code in {401, 403} or not is_there
    assert set(told.json()) == {"type", "title", "status", "detail", "todo", "errors"}
