"""Forms about stores of backups."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, HiddenField, IntegerField, PasswordField, StringField
from wtforms.validators import InputRequired

from siappakai.domain.stores import S3Place
from siappakai.web.forms import PanelForm


class MachineForm(PanelForm):
    """The machine of a folder, whose host key is looked at first."""

    address = StringField(
        _("Alamat"),
        [InputRequired(_("Isi alamat mesinnya."))],
        description=_("Nama host atau alamat IP; bukan server yang melayani desa."),
    )
    port = IntegerField(_("Porta SSH"), [InputRequired(_("Isi porta."))], default=22)


class _NamedForm(PanelForm):
    name = StringField(
        _("Nama penyimpanan"),
        [InputRequired(_("Isi nama penyimpanan."))],
        description=_("Huruf kecil, angka dan tanda hubung, misalnya gudang."),
    )


class FolderForm(_NamedForm):
    address = HiddenField(validators=[InputRequired()])
    port = HiddenField(validators=[InputRequired()])
    fingerprint = HiddenField(validators=[InputRequired()])
    confirmed = BooleanField(
        _("Sidik jari ini sama dengan yang tampil di konsol mesin itu"),
        [InputRequired(_("Bandingkan dulu, lalu centang."))],
    )
    user = StringField(
        _("Akun di mesin itu"),
        [InputRequired(_("Isi nama akun."))],
        description=_("Akun yang hanya untuk cadangan; kunci panel sudah dipasang di sana."),
    )
    folder = StringField(
        _("Folder"),
        [InputRequired(_("Isi folder."))],
        description=_("Dari rumah akun itu, atau dari akar; misalnya siappakai."),
    )


class _BucketFields(PanelForm):
    endpoint = StringField(
        _("Alamat layanan"),
        [InputRequired(_("Isi alamat layanan."))],
        description=_("Misalnya https://s3.contoh.id"),
    )
    bucket = StringField(
        _("Ember"),
        [InputRequired(_("Isi nama ember."))],
        description=_("Sudah harus ada; sebaiknya dengan penghapusan yang dilarang."),
    )
    region = StringField(_("Wilayah"), description=_("Kosong bila layanannya tidak memintanya."))
    prefix = StringField(_("Awalan"), description=_("Awal nama setiap berkas; boleh kosong."))
    access_key = StringField(_("Kunci akses"), [InputRequired(_("Isi kunci akses."))])
    secret = PasswordField(_("Kunci rahasia"))

    def place(self) -> S3Place:
        """Return what the form says, still to be checked by the service."""
        return S3Place(
            endpoint=self.endpoint.data.strip(),
            bucket=self.bucket.data.strip(),
            region=(self.region.data or "").strip(),
            prefix=(self.prefix.data or "").strip(),
            access_key=self.access_key.data.strip(),
        )


class BucketForm(_NamedForm, _BucketFields):
    secret = PasswordField(
        _("Kunci rahasia"),
        [InputRequired(_("Isi kunci rahasia."))],
        description=_("Disegel dan tidak pernah ditampilkan lagi."),
    )


class FolderChangeForm(PanelForm):
    """Where a folder is, and by whom it is opened."""

    address = StringField(_("Alamat"), [InputRequired(_("Isi alamat mesinnya."))])
    port = IntegerField(_("Porta SSH"), [InputRequired(_("Isi porta."))])
    fingerprint = StringField(
        _("Sidik jari kunci host"),
        [InputRequired(_("Isi sidik jarinya."))],
        description=_(
            "Yang dikenal sekarang. Bila mesinnya lain atau kuncinya diperbarui, isi yang tampil di"
            " konsol mesin itu."
        ),
    )
    user = StringField(_("Akun di mesin itu"), [InputRequired(_("Isi nama akun."))])
    folder = StringField(_("Folder"), [InputRequired(_("Isi folder."))])


class BucketChangeForm(_BucketFields):
    """Where a bucket is, and what opens it."""

    secret = PasswordField(_("Kunci rahasia"), description=_("Kosongkan bila tetap yang sekarang."))


class RemovalForm(PanelForm):
    typed = StringField(_("Ketik nama penyimpanan itu"), [InputRequired(_("Ketik namanya."))])
