"""The program behind a request to the API, found by the token it sends and by nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from flask import Flask, current_app, g, request

from siappakai.domain.tokens import Scope
from siappakai.errors import RefusedError
from siappakai.models import ApiToken, Role
from siappakai.services import tokens
from siappakai.services.permissions import least_role, reaches, scope_for
from siappakai.services.tokens import TokenRefusedError
from siappakai.web.identity import caller, owes_first_steps
from siappakai.wording import say

ROOT: Final = "/api/"
# What the API's routes are called: `api.list_villages`.
BLUEPRINT: Final = "api"
# Reached by any live token, whatever its scopes.
ANY_SCOPE: Final = frozenset({"api.show_document"})

_SCOPE_ATTRIBUTE: Final = "siappakai_scope"

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose token it is, what their role is now, and what the token may do at most."""

    token_id: int
    name: str
    role: Role
    language: str
    scopes: frozenset[str]


def is_api_request() -> bool:
    """Tell whether this request is one to the API, also where nothing is found."""
    if request.endpoint is not None:
        return is_api_endpoint(request.endpoint)
    return request.path.startswith(ROOT)


def is_api_endpoint(endpoint: str) -> bool:
    """Tell whether an endpoint is one of the API's."""
    return endpoint.partition(".")[0] == BLUEPRINT


def within(scope: Scope) -> Callable[[View], View]:
    """Declare the scope a token needs for a route."""

    def declare(view: View) -> View:
        setattr(view, _SCOPE_ATTRIBUTE, scope)
        return view

    return declare


def scope_of(app: Flask, endpoint: str) -> Scope | None:
    """Return the scope an endpoint asks for; None when it declares none."""
    scope: Scope | None = getattr(app.view_functions[endpoint], _SCOPE_ATTRIBUTE, None)
    return scope


def admit() -> Bearer:
    """Return who calls, by the token in this request.

    Raises TokenRefusedError, RefusedError while its owner has to choose a password or set up
    codes first, login_throttle.TooManyAttemptsError.
    """
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        raise TokenRefusedError(
            say("Permintaan ini tanpa token."), say("Kirim: Authorization: Bearer siappakai_….")
        )
    token = tokens.authenticate(given.token, address=caller())
    if owes_first_steps(token.user):
        raise RefusedError(
            say("Pemilik token ini harus mengganti kata sandi atau memasang kode dua langkah."),
            say("Masuk ke panel sebagai pemiliknya, lalu ulangi."),
        )
    tokens.note_use(token, address=caller())
    g.bearer = _bearer(token)
    return present()


def language() -> str | None:
    """Return the language of the token's owner; None before somebody was let in."""
    found: Bearer | None = g.get("bearer")
    return found.language if found is not None else None


def present() -> Bearer:
    """Return who calls, where the gate lets in nobody else."""
    found: Bearer = g.bearer
    return found


def actor() -> str:
    """Return who acts, as services and the audit log name programs."""
    return present().name


def require_role(least: Role) -> None:
    """Raise RefusedError when the token's owner has not `least` or a higher role now."""
    if not reaches(present().role, least):
        raise RefusedError(
            say("Peran pemilik token ini tidak mengizinkan tindakan ini."),
            say("Minta admin melakukannya, atau minta peran lain."),
        )


def require_scope(endpoint: str) -> None:
    """Raise RefusedError when the token was not given the scope that `endpoint` asks for."""
    if endpoint not in ANY_SCOPE:
        _require(scope_of(current_app, endpoint))


def require_play(play: str) -> None:
    """Raise RefusedError when neither token nor owner may ask for `play` by themselves."""
    scope = scope_for(play)
    if scope is None:
        raise RefusedError(
            say("Pekerjaan ini tidak dapat diminta dengan token."),
            say("Minta admin melakukannya di panel."),
        )
    _require(scope)
    require_role(least_role(play))


def _require(scope: Scope | None) -> None:
    if scope not in present().scopes:
        raise RefusedError(
            say("Token ini tidak punya cakupan %(scope)s.", scope=scope),
            say("Buat token dengan cakupan itu."),
        )


def refuse_unscoped(app: Flask) -> None:
    """Raise RuntimeError when a route of the API declares no scope, or lies outside its root."""
    for rule in app.url_map.iter_rules():
        is_api = is_api_endpoint(rule.endpoint)
        if is_api is not rule.rule.startswith(ROOT):
            raise RuntimeError(f"route {rule.rule} ({rule.endpoint}) is half in the API")
        if is_api and (scope_of(app, rule.endpoint) is None) is not (rule.endpoint in ANY_SCOPE):
            raise RuntimeError(f"route {rule.rule} ({rule.endpoint}) declares no scope")


def _bearer(token: ApiToken) -> Bearer:
    return Bearer(
        token_id=token.id,
        name=f"api:{tokens.subject_of(token)}",
        role=token.user.role,
        language=token.user.language,
        scopes=frozenset(token.scopes),
    )
