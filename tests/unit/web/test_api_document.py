"""The OpenAPI document, the routes there are and docs/api.md say the same."""

import json
import re
from pathlib import Path

import pytest
import schemathesis
from flask import Flask

from siappakai.domain.tokens import Scope
from siappakai.services.permissions import least_role_for
from siappakai.web.api.operations import OPERATIONS, PREFIX
from siappakai.web.api.routes import document
from siappakai.web.bearer import ANY_SCOPE, is_api_endpoint, scope_of
from siappakai.web.labels import SCOPES
from tests.unit.web.conftest import NewProgram

DOCS = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
ARGUMENT = re.compile(r"<(?:[^:<>]+:)?(\w+)>")

Row = tuple[str, str, str]


def _routed(panel: Flask) -> set[Row]:
    """Method, address and scope of every route of the API that is an operation."""
    return {
        (method, ARGUMENT.sub(r"{\1}", rule.rule), str(scope_of(panel, rule.endpoint)))
        for rule in panel.url_map.iter_rules()
        if is_api_endpoint(rule.endpoint) and rule.endpoint not in ANY_SCOPE
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def _documented() -> set[Row]:
    return {
        (method.upper(), path, told["security"][0]["token"][0])
        for path, methods in document.document()["paths"].items()
        for method, told in methods.items()
    }


def test_document_routes_and_handbook_agree(panel: Flask):
    written = re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \| `([^`]+)` \|$", DOCS, re.MULTILINE)

    assert len(OPERATIONS) == len(written)
    assert _routed(panel) == _documented()
    assert _routed(panel) == {(method, PREFIX + path, scope) for method, path, scope in written}


def test_the_handbook_tells_of_every_scope_and_its_role():
    written = re.findall(r"^\| `([a-z]+:[a-z]+)` \| (\w+) \|", DOCS, re.MULTILINE)

    assert written == [(scope.value, least_role_for(scope).value) for scope in Scope]
    assert set(SCOPES) == set(Scope)


def test_the_document_is_valid_and_given_to_any_token(program: NewProgram):
    answer = program("releases:read").get("/api/v1/openapi.json")

    assert answer.json == json.loads(json.dumps(document.document()))
    schemathesis.openapi.from_dict(answer.json).validate()


def test_every_reference_leads_somewhere_and_every_schema_is_used():
    text = json.dumps(document.document())
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', text))

    assert named == set(document.document()["components"]["schemas"])


@pytest.mark.parametrize("made", OPERATIONS, ids=lambda made: made.name)
def test_every_operation_says_what_it_does_and_how_it_refuses(made):
    told = next(
        told
        for methods in document.document()["paths"].values()
        for told in methods.values()
        if told["operationId"] == made.name
    )
    problems = {code for code, one in told["responses"].items() if int(code) >= 400}

    assert told["summary"].endswith(".")
    assert {"401", "403", "429", "503"} <= problems
    for code in problems:
        assert list(told["responses"][code]["content"]) == ["application/problem+json"]
