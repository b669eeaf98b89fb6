"""Who they are is asked again before what is dangerous, unless it was proven just now.

The question keeps the form that was sent: answered, the deed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from flask import Flask, current_app, render_template, request
from flask.typing import ResponseReturnValue

from siappakai.errors import SiapPakaiError
from siappakai.models import utc_now
from siappakai.services import accounts, sessions, totp
from siappakai.web.forms.users import ConfirmForm
from siappakai.web.identity import Person, caller, signed_in
from siappakai.web.security import View

FRESH: Final = timedelta(minutes=10)

_ATTRIBUTE: Final = "siappakai_asks_again"
_ANSWER: Final = "confirm_password"
# What people type unseen is typed again rather than written into a page.
UNSEEN: Final = frozenset({"again", "current", "key", "password", "secret", "secret_address"})
_NOT_KEPT: Final = UNSEEN | {"csrf_token", _ANSWER, "confirm_code"}
_HARMLESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def asks_again(view: View) -> View:
    """Declare a route dangerous: its caller proves who they are, at most `FRESH` ago."""
    setattr(view, _ATTRIBUTE, True)
    return view


def asks_again_if(is_dangerous: Callable[..., bool]) -> Callable[[View], View]:
    """Declare a route dangerous when `is_dangerous` says so of its arguments."""

    def declare(view: View) -> View:
        setattr(view, _ATTRIBUTE, is_dangerous)
        return view

    return declare


def does_ask_again(app: Flask, endpoint: str) -> bool:
    """Tell whether an endpoint is declared dangerous, be it for some arguments alone."""
    return bool(_declared(app, endpoint))


def _declared(app: Flask, endpoint: str) -> bool | Callable[..., bool]:
    declared: bool | Callable[..., bool] = getattr(app.view_functions[endpoint], _ATTRIBUTE, False)
    return declared


def init(app: Flask) -> None:
    """Put the question on `app`; after `secure`, so that role and CSRF token come first."""
    app.before_request(_ask)


def _ask() -> ResponseReturnValue | None:
    endpoint, person = request.endpoint, signed_in()
    if endpoint is None or person is None or request.method in _HARMLESS:
        return None
    declared = _declared(current_app, endpoint)
    if not declared or utc_now() - person.confirmed_at < FRESH:
        return None
    if callable(declared) and not declared(**(request.view_args or {})):
        return None
    form = ConfirmForm() if _ANSWER in request.form else ConfirmForm(formdata=None)
    if not person.has_totp:
        del form.confirm_code
    if _ANSWER in request.form and form.accepted() and _prove(form, person):
        return None
    return _page(form)


def _prove(form: ConfirmForm, person: Person) -> bool:
    try:
        accounts.prove(person.id, form.confirm_password.data or "", address=caller())
        if person.has_totp:
            totp.prove(person.id, form.confirm_code.data or "", address=caller())
    except SiapPakaiError as error:
        form.refuse(error)
        return False
    sessions.note_proof(person.session_id)
    return True


def _page(form: ConfirmForm) -> ResponseReturnValue:
    kept = [pair for pair in request.form.items(multi=True) if pair[0] not in _NOT_KEPT]
    status = form.refusal.status if form.refusal is not None else 403
    return render_template("auth/confirm.html", form=form, kept=kept), status
