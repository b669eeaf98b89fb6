"""The panel's languages: Indonesian as written in the code, English from the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flask import Flask, request
from flask_babel import Babel, get_locale, gettext

from siappakai.config import Settings
from siappakai.models.app import current_settings
from siappakai.services import settings as registry_settings
from siappakai.web import bearer
from siappakai.web.identity import signed_in
from siappakai.wording import Wording

LANGUAGES: Final = {"id": "Bahasa Indonesia", "en": "English"}
COOKIE: Final = "language"
CATALOGUES: Final = Path(__file__).parent / "translations"


def init(app: Flask, settings: Settings) -> None:
    """Put translations, number and time formats on `app`."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(CATALOGUES)
    app.config["BABEL_DEFAULT_LOCALE"] = settings.language
    Babel(app, locale_selector=language, timezone_selector=_timezone)


def language() -> str:
    """Return the language of this request: the person's, the cookie's or the panel's.

    A program is told in the language of its token's owner; a cookie of its is not looked at.
    """
    if bearer.is_api_request():
        return bearer.language() or current_settings().language
    person = signed_in()
    if person is not None:
        return person.language
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else current_settings().language


def language_in_use() -> str:
    """Return the language the page being made is written in."""
    return str(get_locale())


def retell(text: object) -> str:
    """Return what a service says, or said when it was stored, in the language of the page.

    What the catalogue does not know, such as a name, stays as it is.
    """
    if not isinstance(text, Wording):
        plain = "" if text is None else str(text)
        return gettext(plain) if plain else ""
    return gettext(text.template, **{name: retell(value) for name, value in text.params.items()})


def _timezone() -> str:
    return str(registry_settings.get(registry_settings.TIMEZONE))
