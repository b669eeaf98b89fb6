"""Forms about servers."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import (
    BooleanField,
    HiddenField,
    IntegerField,
    PasswordField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from siappakai.domain.servers import STANDARD, Arrangement
from siappakai.models import Server
from siappakai.services.servers import LOCAL
from siappakai.web.forms import PanelForm


class AddressForm(PanelForm):
    address = StringField(
        _("Alamat"),
        [InputRequired(_("Isi alamat server."))],
        description=_("Nama host atau alamat IP."),
    )
    port = IntegerField(_("Porta SSH"), [InputRequired(_("Isi porta."))], default=22)


class ArrangementForm(PanelForm):
    """How a server is laid out on its machine."""

    name = StringField(
        _("Nama server"),
        [InputRequired(_("Isi nama server."))],
        description=_("Sebutan di panel, misalnya Server Kominfo 1."),
    )
    services = SelectField(
        _("Layanan"),
        choices=lambda: [
            SelectChoice("system", gettext("Milik mesin (nginx, PHP-FPM, MariaDB biasa)")),
            SelectChoice("private", gettext("Tersendiri di folder akar (untuk peragaan)")),
        ],
        default=STANDARD.services,
    )
    prefix = StringField(
        _("Awalan nama"),
        [InputRequired(_("Isi awalan."))],
        default=STANDARD.prefix,
        description=_("Mengawali akun Unix dan basis data desa."),
    )
    root = StringField(_("Folder akar"), [InputRequired(_("Isi folder."))], default=STANDARD.root)
    http_port = IntegerField(
        _("Porta HTTP"), [InputRequired(_("Isi porta."))], default=STANDARD.http_port
    )
    https_port = IntegerField(
        _("Porta HTTPS"), [InputRequired(_("Isi porta."))], default=STANDARD.https_port
    )

    def arrangement(self) -> Arrangement:
        """Return what the form says, still to be checked by the service."""
        return Arrangement(
            services=self.services.data,
            prefix=self.prefix.data,
            root=self.root.data,
            http_port=self.http_port.data,
            https_port=self.https_port.data,
        )


class EnrolForm(ArrangementForm):
    address = HiddenField(validators=[InputRequired()])
    port = HiddenField(validators=[InputRequired()])
    fingerprint = HiddenField(validators=[InputRequired()])
    confirmed = BooleanField(
        _("Sidik jari ini sama dengan yang tampil di konsol server"),
        [InputRequired(_("Bandingkan dulu, lalu centang."))],
    )
    user = StringField(
        _("Akun di server"),
        [InputRequired(_("Isi nama akun."))],
        description=_("Akun dengan sudo tanpa kata sandi, atau root."),
    )
    password = PasswordField(
        _("Kata sandi akun itu"),
        description=_("Dipakai sekali untuk memasang kunci panel; tidak disimpan."),
    )
    private_key = TextAreaField(
        _("Atau kunci privat SSH"), description=_("Dipakai sekali; tidak disimpan.")
    )


class ServerForm(PanelForm):
    """What may change of a server; one that is this machine has no SSH to change."""

    name = StringField(_("Nama server"), [InputRequired(_("Isi nama server."))])
    address = StringField(_("Alamat"), [InputRequired(_("Isi alamat server."))])
    port = IntegerField(_("Porta SSH"), [InputRequired(_("Isi porta."))])
    user = StringField(_("Akun di server"), [InputRequired(_("Isi nama akun."))])
    http_address = StringField(
        _("Alamat HTTP"), description=_("Satu alamat IP server; kosong berarti semuanya.")
    )
    http_port = IntegerField(_("Porta HTTP"), [InputRequired(_("Isi porta."))])
    https_port = IntegerField(_("Porta HTTPS"), [InputRequired(_("Isi porta."))])
    php = StringField(
        _("PHP untuk situs"),
        [InputRequired(_("Isi versi PHP, misalnya 8.2."))],
        description=_("Pisahkan dengan koma; yang pertama dipakai situs baru."),
    )
    parallelism = IntegerField(
        _("Dikerjakan sekaligus"),
        [InputRequired(_("Isi jumlah situs."))],
        description=_("Berapa situs di server ini dikerjakan bersamaan."),
    )

    @classmethod
    def of(cls, server: Server, *, sent: bool = False) -> ServerForm:
        """Return the form of a server: as it is, or as it was sent."""
        form = cls() if sent else cls(formdata=None, obj=server, php=", ".join(server.php_versions))
        if server.connection == LOCAL:
            del form.address, form.port, form.user
        return form

    def changes(self) -> dict[str, Any]:
        """Return what the form says, still to be checked by the service."""
        given = {name: value for name, value in self.data.items() if name != "csrf_token"}
        versions = given.pop("php").split(",")
        return {**given, "php_versions": [version.strip() for version in versions]}


class PinForm(PanelForm):
    fingerprint = HiddenField(validators=[InputRequired()])


class AbandonForm(PanelForm):
    confirmed_count = IntegerField(
        _("Jumlah situs di server itu"),
        [InputRequired(_("Ketik jumlahnya."))],
        description=_("Ketik jumlahnya untuk menegaskan."),
    )
