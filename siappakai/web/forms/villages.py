"""Forms about villages and their sites."""

from __future__ import annotations

from typing import ClassVar

from flask_babel import lazy_gettext as _
from flask_wtf.file import FileField, FileRequired
from wtforms import IntegerField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from siappakai.services import releases, servers
from siappakai.services.tables import MAX_MEGABYTES, MAX_ROWS
from siappakai.web.forms import PanelForm


class VillageForm(PanelForm):
    also_called: ClassVar = {"code": "kode_desa", "nama_kecamatan": "district_name"}

    kode_desa = StringField(
        _("Kode desa"),
        [InputRequired(_("Isi kode desa."))],
        description=_("10 angka, bertitik atau polos; misalnya 51.02.01.2001."),
    )
    nama_desa = StringField(_("Nama desa"), [InputRequired(_("Isi nama desa."))])
    district_name = StringField(
        _("Nama kecamatan"), description=_("Hanya bila kecamatannya belum terdaftar.")
    )


class RenameForm(PanelForm):
    nama_desa = StringField(_("Nama desa"), [InputRequired(_("Isi nama desa."))])


class CertificateForm(PanelForm):
    """Where a site's certificate lies on its server; the service knows which paths will do."""

    certificate = StringField(
        _("Rantai sertifikat"),
        description=_("Jalur berkas di server, misalnya /etc/ssl/desa/chain.pem."),
    )
    certificate_key = StringField(
        _("Kunci sertifikat"),
        description=_("Jalur berkas di server. Kosongkan keduanya untuk HTTP."),
    )


class ImportForm(PanelForm):
    file = FileField(
        _("Berkas CSV atau XLSX"),
        [FileRequired(_("Pilih berkas."))],
        description=_(
            "Paling besar %(size)s MB dan %(rows)s baris. "
            "Belum ada yang diubah sampai Anda menegaskan.",
            size=MAX_MEGABYTES,
            rows=MAX_ROWS,
        ),
    )


class InstallForm(PanelForm):
    """Which release, and where villages without a site shall live."""

    release_id = SelectField(_("Rilis"), coerce=int)
    server_id = SelectField(
        _("Server"), coerce=int, description=_("Untuk desa yang belum punya situs.")
    )

    def offer(self) -> None:
        """Fill the choices from the registry."""
        self.release_id.choices = [
            SelectChoice(str(release.id), release.version) for release in releases.list_releases()
        ]
        self.server_id.choices = [
            SelectChoice(str(server.id), server.name) for server in servers.list_servers()
        ]


class RemoveForm(PanelForm):
    confirmed_count = IntegerField(
        _("Jumlah situs yang dihapus"),
        [InputRequired(_("Ketik jumlahnya."))],
        description=_("Ketik jumlahnya untuk menegaskan."),
    )
