"""The errors people meet: each says what happened and what to do now."""

from __future__ import annotations

import re
from typing import ClassVar

from siappakai.wording import join


class SiapPakaiError(Exception):
    """An expected failure, told to a person.

    `what` is what happened, `todo` what to do now. Panel, CLI and API show both;
    `status` and `exit_code` are how each of them signals it.
    """

    status: ClassVar[int] = 400
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo

    @property
    def kind(self) -> str:
        """Its class in snake case, for programs: `NotFoundError` is `not_found`."""
        name = type(self).__name__.removesuffix("Error")
        return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()

    @property
    def told(self) -> str:
        """Both sentences as one, to be stored: they can still be told in another language."""
        return join(self.what, self.todo)

    def __str__(self) -> str:
        return str(self.told)


class InvalidInputError(SiapPakaiError):
    """Input that breaks a rule; `field` names where."""

    status = 422
    exit_code = 2

    def __init__(self, what: str, todo: str = "", *, field: str = "") -> None:
        super().__init__(what, todo)
        self.field = field


class NotFoundError(SiapPakaiError):
    """The thing asked for is not in the registry."""

    status = 404
    exit_code = 3


class ConflictError(SiapPakaiError):
    """The request contradicts the present state (busy, already there, changed meanwhile)."""

    status = 409
    exit_code = 4


class RefusedError(SiapPakaiError):
    """A safety rule forbids it."""

    status = 403
    exit_code = 5


class UnreachableError(SiapPakaiError):
    """A server, store or queue does not answer."""

    status = 503
    exit_code = 6
