"""The panel's forms, one file per noun; this one holds what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, ParamSpec, TypeVar

from flask_wtf import FlaskForm

from siappakai.errors import InvalidInputError, SiapPakaiError
from siappakai.web.languages import retell

P = ParamSpec("P")
T = TypeVar("T")


class PanelForm(FlaskForm):
    """A form whose service may refuse what the form itself let pass.

    `also_called` gives the form's field for another name a service has for it.
    """

    also_called: ClassVar[dict[str, str]] = {}
    refusal: SiapPakaiError | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call] # Flask-WTF's

    def accepted(self) -> bool:
        """Tell whether the form was sent and every field keeps its rules."""
        return bool(self.validate_on_submit())  # type: ignore[no-untyped-call] # Flask-WTF's

    def attempt(self, use_case: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Call `use_case`; when it refuses, show why (beside its field) and return None."""
        try:
            return use_case(*args, **kwargs)
        except SiapPakaiError as error:
            self.refuse(error)
        return None

    def refuse(self, error: SiapPakaiError) -> None:
        """Show why the form's wish was refused, beside the field concerned if it has it."""
        self.refusal = error
        name = error.field if isinstance(error, InvalidInputError) else ""
        told = f"{retell(error.what)} {retell(error.todo)}".strip()
        field: Any = self._fields.get(self.also_called.get(name, name))
        if field is None:
            self.form_errors.append(told)
        else:
            field.errors = [*field.errors, told]

    @property
    def status(self) -> int:
        """The HTTP status of the page that shows this form."""
        if self.refusal is not None:
            return self.refusal.status
        return 422 if self.errors else 200
