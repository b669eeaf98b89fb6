"""The form that makes an API token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import IntegerField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, NumberRange
from wtforms.widgets import CheckboxInput

from siappakai.domain.tokens import LONGEST_DAYS, Scope
from siappakai.web.forms import PanelForm
from siappakai.web.labels import SCOPES

_USUAL_DAYS = 90


class TokenForm(PanelForm):
    name = StringField(
        _("Nama token"),
        [InputRequired(_("Isi nama token."))],
        description=_("Untuk apa token ini dipakai, misalnya: laporan mingguan."),
    )
    # That there is one is the service's rule: required here, each box would have to be ticked.
    scopes = SelectMultipleField(_("Yang boleh dilakukan"), option_widget=CheckboxInput())
    days = IntegerField(
        _("Berlaku berapa hari"),
        [
            InputRequired(_("Isi 1 sampai 365.")),
            NumberRange(1, LONGEST_DAYS, _("Isi 1 sampai 365.")),
        ],
        default=_USUAL_DAYS,
        description=_("Sesudah itu token tidak membuka apa-apa lagi; buat yang baru."),
    )

    def __init__(self, *args: Any, offered: Sequence[Scope], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scopes.choices = [
            SelectChoice(scope.value, f"{SCOPES[scope]} ({scope})") for scope in offered
        ]
