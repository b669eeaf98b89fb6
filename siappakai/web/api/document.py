"""The OpenAPI document, made of the operations themselves."""

from __future__ import annotations

import json
import re
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from flask import Response
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from siappakai import __version__
from siappakai.models import Role
from siappakai.web.api.operations import (
    KEY_HEADER,
    KEY_PATTERN,
    OPERATIONS,
    PREFIX,
    Operation,
    blueprint,
)
from siappakai.web.api.problems import MEDIA_TYPE, Problem
from siappakai.web.security import requires

_SCHEMAS: Final = "#/components/schemas/"
# `<int(max=9):run_id>` is written `{run_id}`.
_ARGUMENT: Final = re.compile(r"<(?:[^:<>]+:)?(\w+)>")
_ALWAYS: Final = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_ABOUT: Final = (
    "Villages, servers, releases, runs and what is asked for them, as the panel does it. Every "
    "request carries a token of a person: `Authorization: Bearer siappakai_…`. It may do what its "
    "scopes say and its owner's role allows at that moment. Errors are problem details (RFC 9457)."
)

Json = dict[str, Any]


@blueprint.get("/openapi.json")
@requires(Role.VIEWER)
def show_document() -> Response:
    return Response(json.dumps(document(), ensure_ascii=False), content_type="application/json")


@cache
def document() -> Json:
    """Return the OpenAPI document of this version."""
    schemas = _schemas()
    paths: Json = {}
    for made in OPERATIONS:
        path = PREFIX + _ARGUMENT.sub(r"{\1}", made.rule)
        paths.setdefault(path, {})[made.method.lower()] = _operation(made, schemas)
    kept = {name: schema for name, schema in schemas.items() if name not in _query_names()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "SiapPakai", "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": kept,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas() -> Json:
    """Return the schemas of all models by name, what they refer to included."""
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Problem, "serialization")]
    for made in OPERATIONS:
        models += [(made.answer, "serialization")]
        models += [(model, "validation") for model in (made.query, made.body) if model is not None]
    _, found = models_json_schema(models, ref_template=_SCHEMAS + "{model}")
    schemas: Json = found["$defs"]
    return schemas


def _query_names() -> set[str]:
    return {made.query.__name__ for made in OPERATIONS if made.query is not None}


def _operation(made: Operation, schemas: Json) -> Json:
    told: Json = {
        "operationId": made.name,
        "summary": made.about,
        "tags": [made.rule.split("/")[1]],
        # In OpenAPI 3.1 what a bearer needs besides the token may be named here.
        "security": [{"token": [made.scope.value]}],
        "parameters": [*_path(made), *_query(made, schemas), *_headers(made)],
        "responses": _responses(made),
    }
    if made.body is not None:
        content = {"application/json": {"schema": _reference(made.body)}}
        told["requestBody"] = {"required": True, "content": content}
    return told


def _path(made: Operation) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": TypeAdapter(made.hints[name]).json_schema(),
        }
        for name in _ARGUMENT.findall(made.rule)
    ]


def _query(made: Operation, schemas: Json) -> list[Json]:
    if made.query is None:
        return []
    fields: Json = schemas[made.query.__name__]["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": _given(schema)}
        for name, schema in fields.items()
    ]


def _given(schema: Json) -> Json:
    """Return the schema of an argument that is given: it is left out rather than null."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind.get("type") != "null"]
    return kinds[0] if kinds else schema


def _headers(made: Operation) -> list[Json]:
    schema = {"type": "string", "pattern": KEY_PATTERN}
    about = "sent twice within 24 hours, the request is done once and answered the same"
    header = {"name": KEY_HEADER, "in": "header", "required": False, "schema": schema}
    return [{**header, "description": about}] if made.is_once else []


def _responses(made: Operation) -> Json:
    content = {"application/json": {"schema": _reference(made.answer)}}
    told: Json = {str(int(made.status)): {"description": made.status.phrase, "content": content}}
    problem = {MEDIA_TYPE: {"schema": _reference(Problem)}}
    for status in _refusals(made):
        told[str(int(status))] = {"description": status.phrase, "content": problem}
    return told


def _refusals(made: Operation) -> list[HTTPStatus]:
    found = set(_ALWAYS)
    if made.body is not None:
        found |= {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
        found |= {HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
    if made.query is not None or made.changes or "code" in made.hints:
        found.add(HTTPStatus.UNPROCESSABLE_ENTITY)
    if _ARGUMENT.search(made.rule) or made.changes:
        found.add(HTTPStatus.NOT_FOUND)
    if made.changes:
        found.add(HTTPStatus.CONFLICT)
    return sorted(found)


def _reference(model: type[BaseModel]) -> Json:
    return {"$ref": _SCHEMAS + _schema_name(model)}


def _schema_name(model: type[BaseModel]) -> str:
    # As pydantic writes the name of a list of something: `Listed[Run]`.
    return re.sub(r"[^A-Za-z0-9.\-_]", "_", model.__name__)
