"""Language and appearance, chosen by anyone, signed in or not."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue

from siappakai.models.app import current_settings
from siappakai.services import accounts
from siappakai.web.identity import signed_in
from siappakai.web.languages import COOKIE as LANGUAGE_COOKIE
from siappakai.web.languages import LANGUAGES
from siappakai.web.security import safe_next

THEMES: Final = ("auto", "light", "dark")
_THEME_COOKIE: Final = "theme"
_YEAR_SECONDS: Final = 365 * 24 * 3600

blueprint = Blueprint("preferences", __name__)


def theme() -> str:
    """Return the appearance chosen in this browser."""
    chosen = request.cookies.get(_THEME_COOKIE, "")
    return chosen if chosen in THEMES else "auto"


@blueprint.post("/preferences")
def save() -> ResponseReturnValue:
    response = redirect(safe_next(request.form.get("next")), 303)
    for cookie, value, allowed in (
        (_THEME_COOKIE, request.form.get("theme", ""), THEMES),
        (LANGUAGE_COOKIE, request.form.get("language", ""), LANGUAGES),
    ):
        if value in allowed:
            response.set_cookie(
                cookie,
                value,
                max_age=_YEAR_SECONDS,
                httponly=True,
                secure=current_settings().secure_cookies,
                samesite="Lax",
            )
    _remember_language(request.form.get("language", ""))
    return response


def _remember_language(language: str) -> None:
    person = signed_in()
    if person is not None and language in LANGUAGES and language != person.language:
        accounts.set_language(person.id, language, by=person.username)
