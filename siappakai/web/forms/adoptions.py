"""The form by which a village moves in."""

from __future__ import annotations

from typing import ClassVar, Final

from flask_babel import lazy_gettext as _
from flask_wtf.file import FileField
from wtforms import BooleanField, SelectField, StringField
from wtforms.fields.choices import SelectChoice

from siappakai.domain.states import ServerState
from siappakai.services import releases, servers
from siappakai.web.forms import PanelForm

MAX_MEGABYTES: Final = 8


class AdoptForm(PanelForm):
    """A village's files, unless they were sent before, and where it shall live."""

    also_called: ClassVar = {"server": "server_id", "release": "release_id"}

    files = FileField(
        _("Arsip folder desa/"),
        description=_(
            "zip, tar.gz atau tar.zst; bersama SQL paling besar %(size)s MB. Yang lebih besar"
            " dikirim dengan perintah siappakai village adopt. Kosongkan bila sudah dikirim.",
            size=MAX_MEGABYTES,
        ),
    )
    database = FileField(
        _("Berkas SQL"),
        description=_(".sql, .sql.gz atau zip. Tidak perlu bila ada di dalam arsip."),
    )
    domain = StringField(_("Domain"), description=_("Contoh: bajera.desa.id"))
    server_id = SelectField(_("Server"), coerce=int)
    release_id = SelectField(
        _("Rilis"), coerce=int, description=_("Yang cocok dengan versi data desa itu.")
    )
    only_look = BooleanField(_("Periksa dahulu, jangan pasang"), default=True)

    def offer(self) -> None:
        """Fill the choices from the registry."""
        self.release_id.choices = [
            SelectChoice(str(release.id), release.version) for release in releases.list_releases()
        ]
        self.server_id.choices = [
            SelectChoice(str(server.id), server.name)
            for server in servers.list_servers()
            if server.state is ServerState.READY
        ]
