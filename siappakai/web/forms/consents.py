"""Forms about what villages share, and about leaving the gabungan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask_babel import lazy_gettext as _
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from siappakai.domain.consent import GROUPS, Share
from siappakai.web.forms import PanelForm

SHARES: Final = {
    Share.FULL: _("penuh"),
    Share.MASKED: _("disamarkan"),
    Share.WITHHELD: _("tidak dibagikan"),
}


def _choices() -> list[SelectChoice]:
    """Return the choices in the reader's language."""
    return [SelectChoice(str(share), str(label)) for share, label in SHARES.items()]


class ConsentForm(PanelForm):
    """How each data group is shared; a field for each of them follows below."""

    document = StringField(
        _("Nomor dokumen"),
        [InputRequired(_("Isi nomor dokumennya."))],
        description=_("Surat atau perjanjian yang mendasari keputusan ini."),
    )

    def changes(self) -> list[str]:
        """Return what the form says, group by group."""
        return [f"{group}={self[group].data}" for group in GROUPS]

    @classmethod
    def of(cls, shares: Mapping[str, Any]) -> ConsentForm:
        """Return the form, filled with what counts now unless it was sent."""
        return cls(data={group: shares.get(group, str(Share.WITHHELD)) for group in GROUPS})


for _group in GROUPS:
    setattr(ConsentForm, _group, SelectField(_group.capitalize(), choices=_choices))


class LeavingForm(PanelForm):
    """A village leaves only when its code is typed."""

    typed = StringField(
        _("Kode desa"),
        [InputRequired(_("Ketik kode desanya."))],
        description=_("Ketik lagi kode desa ini, tanpa titik."),
    )
