"""What the API answers when it does not do what it was asked: problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final

from flask import Response
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.exc import OperationalError
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, InternalServerError

from siappakai.errors import InvalidInputError, SiapPakaiError
from siappakai.web.languages import retell
from siappakai.wording import say

MEDIA_TYPE: Final = "application/problem+json"

# A body of 8 MB can be wrong in a million places.
_MOST_ERRORS: Final = 20
_KIND: Final = "urn:siappakai:problem:"
# What services call fields that have another name here.
_ALSO_CALLED: Final = {
    "kode_desa": "code",
    "nama_desa": "name",
    "district": "district_name",
    "file": "csv",
}
_TOLD: Final = {
    HTTPStatus.BAD_REQUEST: (say("Permintaan tidak dapat dipahami."), say("Periksa isinya.")),
    HTTPStatus.NOT_FOUND: (say("Alamat ini tidak ada."), say("Lihat /api/v1/openapi.json.")),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        say("Alamat ini tidak mengenal cara itu."),
        say("Pakai salah satu yang disebut tajuk Allow."),
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        say("Isi permintaan terlalu besar."),
        say("Bagi menjadi beberapa permintaan."),
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (
        say("Isi permintaan bukan JSON."),
        say("Kirim dengan Content-Type: application/json."),
    ),
    HTTPStatus.TOO_MANY_REQUESTS: (
        say("Terlalu banyak permintaan dengan token ini."),
        say("Tunggu sampai semenit, lalu lanjutkan lebih pelan."),
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        say("Terjadi kesalahan di panel."),
        say("Coba lagi. Bila berulang, sertakan waktu kejadian saat melapor."),
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        say("Registri tidak menjawab."),
        say("Tunggu sebentar lalu coba lagi."),
    ),
}


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: Annotated[str, Field(description="its name, dotted; empty for the whole")]
    message: Annotated[str, Field(description="what is wrong with it")]


class Problem(BaseModel):
    """Why a request was not carried out. Nothing was changed."""

    type: Annotated[str, Field(description="stable name of the kind of problem, a URN")]
    title: Annotated[str, Field(description="what its status is called")]
    status: Annotated[int, Field(description="HTTP status")]
    detail: Annotated[str, Field(description="what happened, in the language of the owner")]
    todo: Annotated[str, Field(description="what to do now, in the same language")]
    errors: Annotated[list[FieldProblem], Field(description="the fields concerned")]


class MalformedRequestError(InvalidInputError):
    """A request that is not as its schema says; `errors` names the fields."""

    def __init__(self, errors: Sequence[FieldProblem]) -> None:
        super().__init__(
            say("Permintaan tidak sesuai dengan skemanya."), say("Betulkan isian yang disebut.")
        )
        self.errors = list(errors)

    @classmethod
    def of(cls, error: ValidationError) -> MalformedRequestError:
        """Return what pydantic found first, without what was sent: it may be secret."""
        found = error.errors(include_input=False, include_context=False)[:_MOST_ERRORS]
        return cls(
            [
                FieldProblem(field=".".join(map(str, one["loc"])), message=one["msg"])
                for one in found
            ]
        )


def tell_refusal(error: SiapPakaiError) -> Response:
    """Answer with a refusal of ours."""
    headers = Headers()
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="siappakai"'
    return _answer(error.status, error.kind, error.what, error.todo, _fields(error), headers)


def tell_http(error: HTTPException) -> Response:
    """Answer with an error of HTTP: no such address, method or kind of content."""
    if isinstance(error.response, Response):
        return error.response
    status = error.code or InternalServerError.code
    what, todo = _TOLD.get(HTTPStatus(status), (error.name, ""))
    headers = Headers(error.get_headers())
    headers.remove("Content-Type")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = "60"
    return _answer(status, error.name.lower().replace(" ", "_"), what, todo, [], headers)


def tell_registry_away(_error: OperationalError) -> Response:
    """Answer while the registry does not."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return _answer(status, "registry_away", *_TOLD[status], [], Headers())


def _fields(error: SiapPakaiError) -> list[FieldProblem]:
    if isinstance(error, MalformedRequestError):
        return error.errors
    if isinstance(error, InvalidInputError) and error.field:
        field = _ALSO_CALLED.get(error.field, error.field)
        return [FieldProblem(field=field, message=retell(error.what))]
    return []


def _answer(  # noqa: PLR0917 - the parts of one document
    status: int,
    kind: str,
    what: str,
    todo: str,
    errors: list[FieldProblem],
    headers: Headers,
) -> Response:
    problem = Problem(
        type=f"{_KIND}{kind}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=retell(what),
        todo=retell(todo),
        errors=errors,
    )
    return Response(problem.model_dump_json(), status, headers, content_type=MEDIA_TYPE)
