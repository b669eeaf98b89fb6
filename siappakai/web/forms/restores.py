"""The forms by which a village's backup is opened, and its restore confirmed."""

from __future__ import annotations

from typing import ClassVar, Final

from flask_babel import lazy_gettext as _
from wtforms import PasswordField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from siappakai.domain.restores import DATABASE, FILES, FOLDER, SITE, TABLE
from siappakai.models import Backup
from siappakai.web.forms import PanelForm
from siappakai.web.presentation import when

_KINDS: Final = {
    SITE: _("Seluruh situs"),
    DATABASE: _("Basis data saja"),
    FILES: _("Berkas saja"),
    FOLDER: _("Satu folder unggahan"),
    TABLE: _("Satu tabel"),
}


class OpenForm(PanelForm):
    """Which backup, the key that opens it, and how much of it shall come back."""

    also_called: ClassVar = {"scope": "part"}

    backup_id = SelectField(_("Cadangan"), coerce=int)
    key = PasswordField(
        _("Kunci pemulihan"),
        description=_(
            "AGE-SECRET-KEY-1…; tidak disimpan. Kosongkan bila cadangan itu sudah dibuka di sini."
        ),
    )
    kind = RadioField(
        _("Bagian"),
        default=SITE,
    )
    part = StringField(
        _("Folder atau tabel"),
        description=_(
            "Hanya untuk satu folder (di bawah desa/, misalnya upload/dokumen) atau satu tabel."
        ),
    )

    def offer(self, backups: list[Backup]) -> None:
        """Fill the choices."""
        self.kind.choices = [SelectChoice(kind, str(words)) for kind, words in _KINDS.items()]
        self.backup_id.choices = [
            SelectChoice(str(one.id), f"{when(one.taken_at)} · {one.name}") for one in backups
        ]

    @property
    def scope(self) -> str:
        """What shall come back, as the service writes it."""
        kind = str(self.kind.data)
        return f"{kind}:{self.part.data or ''}" if kind in {FOLDER, TABLE} else kind


class SwitchForm(PanelForm):
    """The village's code, typed, so that it is this one that is meant."""

    also_called: ClassVar = {"kode_desa": "typed_code"}

    typed_code = StringField(
        _("Kode desa"),
        [InputRequired(_("Ketik kode desanya."))],
        description=_("Ketik kode desa ini untuk menegaskan."),
    )
