"""Names of places and the words a regency uses for its villages and hamlets."""

from __future__ import annotations

import re

from siappakai.errors import InvalidInputError
from siappakai.wording import say

NAME_LENGTH = 100

_WORD = re.compile(r"[a-z][a-z -]{1,28}[a-z]", re.ASCII)
# What begins a template in Jinja; no place is called so.
_TEMPLATE_MARKS = ("{{", "{%", "{#")
# Short forms that stay capitals when a name written in capitals is rewritten.
_SHORT_FORMS = frozenset({"DKI", "DI"})


def check_name(text: str, *, field: str) -> str:
    """Return a place name with its spaces tidied; raises InvalidInputError naming `field`."""
    name = " ".join(text.split())
    is_template = any(mark in name for mark in _TEMPLATE_MARKS)
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable() or is_template:
        raise InvalidInputError(
            say("Nama “%(name)s” tidak sah.", name=name[:40]),
            say(
                "Isi paling banyak %(name_length)s huruf, tanpa karakter kendali dan tanda "
                "templat ({{, {%%, {#).",
                name_length=NAME_LENGTH,
            ),
            field=field,
        )
    return name


def check_word(text: str, *, field: str) -> str:
    """Return what people call a village or hamlet (`desa`, `nagari`, `dusun`), lower case."""
    word = " ".join(text.lower().split())
    if _WORD.fullmatch(word) is None:
        raise InvalidInputError(
            say("Sebutan “%(word)s” tidak sah.", word=word[:40]),
            say("Contoh: desa, nagari, dusun, jorong."),
            field=field,
        )
    return word


def readable_name(official: str) -> str:
    """Return a name of the official list as people write it.

    `KAB. TABANAN` becomes `Tabanan`, `KOTA BUKITTINGGI` becomes `Kota Bukittinggi`.
    """
    name = re.sub(r"^(?:KAB\.|KABUPATEN)\s+", "", " ".join(official.split()), flags=re.IGNORECASE)
    if not name.isupper():
        return name
    return " ".join(w if w in _SHORT_FORMS else w.capitalize() for w in name.split())


def same_name(one: str, other: str) -> bool:
    """Say whether two spellings differ in nothing but case, spaces and punctuation."""
    return _letters(one) == _letters(other)


def _letters(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
