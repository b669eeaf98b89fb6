"""Forms about releases."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import StringField
from wtforms.validators import InputRequired

from siappakai.web.forms import PanelForm


class SeenForm(PanelForm):
    php = StringField(_("Versi PHP"), [InputRequired(_("Isi versi PHP, misalnya 8.2."))])
