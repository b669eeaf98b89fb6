"""Browsers in a person's words, from what they say of themselves."""

from __future__ import annotations

from typing import Final

# Most specific first: Edge and Opera also call themselves Chrome, and Chrome Safari.
_PROGRAMS: Final = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "Chrom": "Chrome",
    "Safari": "Safari",
}
_SYSTEMS: Final = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}
UNKNOWN: Final = "?"


def browser_words(user_agent: str) -> str:
    """Return program and system a User-Agent header names, such as `Firefox · Windows`."""
    found = (_first(_PROGRAMS, user_agent), _first(_SYSTEMS, user_agent))
    return " · ".join(word for word in found if word) or UNKNOWN


def _first(words: dict[str, str], text: str) -> str:
    return next((word for mark, word in words.items() if mark in text), "")
