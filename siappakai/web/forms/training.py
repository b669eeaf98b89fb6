"""The form by which a training copy is made."""

from __future__ import annotations

from typing import ClassVar

from flask_babel import lazy_gettext as _
from wtforms import PasswordField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from siappakai.domain.states import ServerState
from siappakai.models import Backup
from siappakai.services import servers
from siappakai.web.forms import PanelForm
from siappakai.web.presentation import when


class CopyForm(PanelForm):
    """Which backup, the key that opens it, and where the copy shall live as whom."""

    also_called: ClassVar = {"server": "server_id"}

    backup_id = SelectField(_("Cadangan"), coerce=int)
    key = PasswordField(_("Kunci pemulihan"), description=_("AGE-SECRET-KEY-1…; tidak disimpan."))
    kode_desa = StringField(
        _("Kode salinan"),
        [InputRequired(_("Isi kode untuk salinannya."))],
        description=_("Bukan kode desa mana pun; yang diusulkan masih bebas."),
    )
    nama_desa = StringField(_("Nama salinan"))
    domain = StringField(_("Domain"), [InputRequired(_("Isi domain untuk salinannya."))])
    server_id = SelectField(_("Server"), coerce=int)

    def offer(self, backups: list[Backup]) -> None:
        """Fill the choices."""
        self.backup_id.choices = [
            SelectChoice(str(one.id), f"{when(one.taken_at)} · {one.name}") for one in backups
        ]
        self.server_id.choices = [
            SelectChoice(str(server.id), server.name)
            for server in servers.list_servers()
            if server.state is ServerState.READY
        ]
