"""How a function becomes an operation of the API: its annotations are its contract.

`query` and `body` are checked against their models before it is called, what it returns is
written as its model says; the document is made of the same annotations.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any, Final, TypeVar, get_type_hints

from flask import Blueprint, Response, abort, request
from pydantic import BaseModel, ConfigDict, ValidationError

from siappakai.domain.tokens import Scope
from siappakai.services import answers
from siappakai.services.answers import Answer
from siappakai.services.permissions import least_role_for
from siappakai.web import bearer
from siappakai.web.api.problems import FieldProblem, MalformedRequestError
from siappakai.web.security import csrf, requires

PREFIX: Final = "/api/v1"
KEY_HEADER: Final = "Idempotency-Key"
KEY_PATTERN: Final = r"^[A-Za-z0-9_.:-]{8,64}$"

blueprint = Blueprint(bearer.BLUEPRINT, __name__, url_prefix=PREFIX)
# No cookie is looked at here (security), so that there is nothing a foreign page could ride on.
csrf.exempt(blueprint)

View = TypeVar("View", bound=Callable[..., BaseModel])
Model = TypeVar("Model", bound=BaseModel)


class Query(BaseModel):
    """What an address can be followed by; nothing else is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(BaseModel):
    """What is sent as JSON; nothing is guessed, nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one address. `is_once`: it can be sent with an `Idempotency-Key`."""

    name: str
    method: str
    rule: str
    scope: Scope
    status: HTTPStatus
    is_once: bool
    hints: dict[str, Any]
    about: str

    @property
    def query(self) -> type[Query] | None:
        return self.hints.get("query")

    @property
    def body(self) -> type[Body] | None:
        return self.hints.get("body")

    @property
    def answer(self) -> type[BaseModel]:
        kind: type[BaseModel] = self.hints["return"]
        return kind

    @property
    def changes(self) -> bool:
        return self.method != "GET"


OPERATIONS: Final[list[Operation]] = []


def operation(
    method: str,
    rule: str,
    scope: Scope,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    is_once: bool = False,
    ahead: Callable[..., Any] | None = None,
) -> Callable[[View], View]:
    """Declare a function an operation: at which address, and the scope a token needs for it.

    What takes long is done `ahead`, given the same, and passed on by that name: with an
    `Idempotency-Key` all else is one transaction, which others must wait for.
    """

    def declare(view: View) -> View:
        hints = get_type_hints(view, include_extras=True)
        about = " ".join((view.__doc__ or "").split())
        name = view.__name__
        made = Operation(name, method, rule, scope, status, is_once, hints, about)
        OPERATIONS.append(made)
        serve = bearer.within(scope)(requires(least_role_for(scope))(_served(made, view, ahead)))
        blueprint.add_url_rule(rule, made.name, serve, methods=[method])
        return view

    return declare


def _served(
    made: Operation, view: Callable[..., BaseModel], ahead: Callable[..., Any] | None
) -> Callable[..., Response]:
    @wraps(view)
    def serve(**given: Any) -> Response:
        if made.query is not None:
            given["query"] = _read_query(made.query)
        if made.body is not None:
            given["body"] = _read_body(made.body)
        if ahead is not None:
            given["ahead"] = ahead(**given)

        def deed() -> Answer:
            return Answer(made.status, view(**given).model_dump(mode="json"))

        key = request.headers.get(KEY_HEADER) if made.is_once else None
        return _written(deed() if key is None else _once(key, deed))

    return serve


def _once(key: str, deed: Callable[[], Answer]) -> Answer:
    if re.fullmatch(KEY_PATTERN, key) is None:
        raise MalformedRequestError(
            [FieldProblem(field=KEY_HEADER, message=f"Must match {KEY_PATTERN}")]
        )
    asked = b"\n".join((request.method.encode(), request.path.encode(), request.get_data()))
    return answers.once(bearer.present().token_id, key, hashlib.sha256(asked).hexdigest(), deed)


def _written(answer: Answer) -> Response:
    text = json.dumps(answer.body, ensure_ascii=False)
    response = Response(text, answer.status, content_type="application/json")
    if answer.is_repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _read_query(model: type[Model]) -> Model:
    given = request.args.to_dict(flat=False)
    twice = [name for name, values in given.items() if len(values) > 1]
    if twice:
        raise MalformedRequestError([FieldProblem(field=twice[0], message="Given more than once")])
    try:
        return model.model_validate({name: values[0] for name, values in given.items()})
    except ValidationError as error:
        raise MalformedRequestError.of(error) from error


def _read_body(model: type[Model]) -> Model:
    if request.mimetype != "application/json":
        abort(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    try:
        return model.model_validate_json(request.get_data())
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            abort(HTTPStatus.BAD_REQUEST)
        raise MalformedRequestError.of(error) from error
