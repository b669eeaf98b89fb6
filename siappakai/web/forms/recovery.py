"""The form by which somebody says that a recovery kit is kept."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import StringField
from wtforms.validators import InputRequired

from siappakai.web.forms import PanelForm


class KitForm(PanelForm):
    number = StringField(
        _("Nomor kit"),
        [InputRequired(_("Isi nomor kit."))],
        description=_("Delapan huruf di baris atas kit, misalnya ABCD-EFGH."),
    )
