"""Text for people that can still be told in another language than the one it was written in."""

from __future__ import annotations

from typing import Any, Self

# A plain text, or a template and what fills it.
Packed = str | list[Any]


class Wording(str):
    """An Indonesian sentence that remembers its template and what was filled in.

    Whoever does not care treats it as the string it is; the panel looks up `template` in its
    reader's language and fills in `params` again. What is filled in may be a Wording itself.
    """

    __slots__ = ("params", "template")

    template: str
    params: dict[str, object]

    def __new__(cls, template: str, params: dict[str, object]) -> Self:
        text = super().__new__(cls, template % params if params else template)
        text.template, text.params = template, params
        return text

    def __getnewargs__(self) -> tuple[str, dict[str, object]]:  # type: ignore[override] # a copy needs both
        return self.template, self.params


def say(template: str, /, **params: object) -> Wording:
    """Return `template`, an Indonesian sentence with %(named)s places, with `params` filled in."""
    return Wording(template, params)


def join(*texts: str, between: str = " ") -> str:
    """Return `texts` one after the other, each with what it was made of; empty ones left out."""
    told = {f"part{number}": text for number, text in enumerate(texts) if text}
    if len(told) <= 1:
        return next(iter(told.values()), "")
    return Wording(between.join(f"%({name})s" for name in told), dict(told))


def pack(text: str) -> Packed:
    """Return `text` as JSON can hold it, without losing how it was made."""
    if not isinstance(text, Wording):
        return text
    return [text.template, {name: pack(_as_text(value)) for name, value in text.params.items()}]


def unpack(packed: Packed) -> str:
    """Return what `pack` was given."""
    if isinstance(packed, str):
        return packed
    template, params = packed
    return say(template, **{name: unpack(value) for name, value in params.items()})


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else str(value)
