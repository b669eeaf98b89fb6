"""Schemathesis asks every operation of the API, with what its schema allows and what it does not.

Derandomised and bounded: the same requests each time. The network of unit tests is shut, so the
one operation that reaches for a server is left to its own test.
"""

from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from siappakai.domain.states import RunState
from siappakai.domain.tokens import Scope
from siappakai.services import login_throttle
from siappakai.web.api.routes import document
from tests.factories import make_release, make_run, make_site
from tests.unit.web.conftest import NewProgram

pytestmark = pytest.mark.walk

schema = schemathesis.openapi.from_dict(document.document()).exclude(operation_id="check_server")

bounded = settings(
    max_examples=12,
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
def token(program: NewProgram) -> dict[str, Any]:
    return {"Authorization": program(*Scope).environ_base["HTTP_AUTHORIZATION"]}


@schema.parametrize()
@bounded
def test_every_operation_keeps_its_promises(case: schemathesis.Case, fast: Flask, token):
    case.operation.schema.app = fast
    # A rule of ours can refuse what a schema lets pass: a village is registered only once.
    excused = [] if case.method == "GET" else [positive_data_acceptance]
    case.call_and_validate(app=fast, headers=token, excluded_checks=excused)
