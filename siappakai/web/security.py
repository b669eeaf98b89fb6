"""Who may call what: deny by default, a role per route, and headers on every answer."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import SecurityError

from siappakai.config import Settings
from siappakai.models import Role
from siappakai.services.permissions import reaches
from siappakai.services.settings import LONGEST_SESSION_HOURS
from siappakai.web import bearer, watchers
from siappakai.web.identity import Person, signed_in

# Reached without a login. A name added here is a decision about the whole panel.
PUBLIC: Final = frozenset(
    {"auth.login", "auth.code", "preferences.save", "health.healthz", "static"}
)
# Reached without a login by machines that watch, if they are admitted by address or token.
WATCHED: Final = frozenset({"health.readyz", "metrics.show"})
# What somebody who must choose a password or set up codes first may do besides that.
_ALWAYS: Final = {
    "auth.password": frozenset({"auth.logout"}),
    "totp.show": frozenset({"auth.logout", "totp.begin", "totp.qr", "totp.confirm"}),
}

_ROLE_ATTRIBUTE: Final = "siappakai_role"

_POLICY: Final = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_YEAR_SECONDS: Final = 365 * 24 * 3600
_SESSION_KEY_BYTES: Final = 32

View = TypeVar("View", bound=Callable[..., Any])

csrf = CSRFProtect()


def requires(role: Role) -> Callable[[View], View]:
    """Declare the lowest role that may call a route."""

    def declare(view: View) -> View:
        setattr(view, _ROLE_ATTRIBUTE, role)
        return view

    return declare


def role_of(app: Flask, endpoint: str) -> Role | None:
    """Return the role an endpoint asks for; None for the public ones."""
    role: Role | None = getattr(app.view_functions[endpoint], _ROLE_ATTRIBUTE, None)
    return role


def may(role: Role) -> bool:
    """Tell whether the person signed in has `role` or a higher one."""
    person = signed_in()
    return person is not None and reaches(person.role, role)


def secure(app: Flask, settings: Settings) -> None:
    """Put gate, CSRF check, cookie rules, Host allow-list and headers on `app`."""
    app.config.update(
        SECRET_KEY=_session_key(settings),
        TRUSTED_HOSTS=list(settings.allowed_hosts),
        SESSION_COOKIE_NAME="siappakai",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        # The registry decides when a session ends; the cookie only lasts as long as any may.
        PERMANENT_SESSION_LIFETIME=LONGEST_SESSION_HOURS * 3600,
        # A poll answered after the logout must not bring the old cookie back.
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=8 * 1024 * 1024,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session; a page left open overnight still works
    )
    app.before_request(_gate)
    csrf.init_app(app)
    app.after_request(lambda response: _add_headers(response, settings))


def refuse_undeclared(app: Flask) -> None:
    """Raise RuntimeError when a route neither declares a role nor is public.

    A route of the API declares the scope it needs as well.
    """
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in PUBLIC | WATCHED and role_of(app, rule.endpoint) is None:
            raise RuntimeError(f"route {rule.rule} ({rule.endpoint}) declares no role")
    bearer.refuse_unscoped(app)


def safe_next(target: str | None) -> str:
    """Return `target` when it is a path of this panel, else the dashboard's."""
    home = url_for("dashboard.show")
    if not target or not target.startswith("/") or "\\" in target:
        return home
    # `//host` and control characters would leave the panel in some browsers.
    if target.startswith("//") or any(ord(letter) < ord(" ") for letter in target):
        return home
    parts = urlsplit(target)
    return home if parts.scheme or parts.netloc else target


def _gate() -> ResponseReturnValue | None:
    if isinstance(request.routing_exception, SecurityError):
        raise request.routing_exception  # a foreign Host: no address can be built for it
    if bearer.is_api_request():
        _admit_program(request.endpoint)
        return None
    if request.endpoint in PUBLIC:
        return None
    if request.endpoint in WATCHED:
        return watchers.admit()
    return _admit_person(request.endpoint)


def _admit_person(endpoint: str | None) -> ResponseReturnValue | None:
    person = signed_in()
    if person is None:
        return _ask_login()
    if endpoint is None:
        return None  # an unknown path or method: Flask answers 404 or 405
    first = _due_first(person)
    if first and endpoint not in {first, *_ALWAYS[first]}:
        return redirect(url_for(first))
    role = role_of(current_app, endpoint)
    if role is None or not may(role):
        abort(403)
    return None


def _admit_program(endpoint: str | None) -> None:
    # Whoever sends a cookie is nobody here: the API needs no CSRF token because of that.
    g.person = None
    bearer.admit()
    if endpoint is None:
        return
    bearer.require_role(role_of(current_app, endpoint) or Role.ADMIN)
    bearer.require_scope(endpoint)


def _due_first(person: Person) -> str:
    if person.must_change_password:
        return "auth.password"
    return "totp.show" if person.must_set_up_totp else ""


def _ask_login() -> ResponseReturnValue:
    if request.headers.get("HX-Request"):
        return Response(status=401, headers={"HX-Redirect": url_for("auth.login")})
    if request.method not in {"GET", "HEAD"}:
        abort(401)
    here = request.full_path.rstrip("?")
    return redirect(url_for("auth.login", next=None if here == "/" else here))


def _add_headers(response: Response, settings: Settings) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    if settings.secure_cookies:
        response.headers["Strict-Transport-Security"] = f"max-age={_YEAR_SECONDS}"
    return response


def _session_key(settings: Settings) -> str:
    """Return the key that signs cookies: the one set, or one kept in the state folder."""
    given = settings.session_key.get_secret_value()
    if given:
        return given
    path = settings.state / "session.key"
    if not path.exists():
        _place_session_key(path)
    return path.read_text().strip()


def _place_session_key(path: Path) -> None:
    # Linked into place whole, so that of several panel processes starting at once all read
    # the same key and none an empty file.
    descriptor, draft = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(_SESSION_KEY_BYTES) + "\n")
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
