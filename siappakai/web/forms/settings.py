"""Forms of the settings page: regency, official list, the fleet's pace."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, IntegerField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, NumberRange, Optional

from siappakai.services.settings import PARALLELISM_MAXIMUM, TIMEZONES
from siappakai.services.tables import MAX_MEGABYTES, MAX_ROWS
from siappakai.web.forms import PanelForm


class RegencyForm(PanelForm):
    code = StringField(
        _("Kode kabupaten"),
        [InputRequired(_("Isi kode kabupaten."))],
        description=_("Empat angka Kemendagri, misalnya 51.02."),
    )
    name = StringField(_("Nama kabupaten"), [InputRequired(_("Isi nama kabupaten."))])
    province_name = StringField(_("Nama provinsi"), [InputRequired(_("Isi nama provinsi."))])
    village_word = StringField(
        _("Sebutan desa"),
        [InputRequired(_("Isi sebutan desa."))],
        default="desa",
        description=_("Misalnya desa, nagari, atau gampong; dipakai di menu dan daftarnya."),
    )
    hamlet_word = StringField(
        _("Sebutan dusun"),
        [InputRequired(_("Isi sebutan dusun."))],
        default="dusun",
        description=_("Misalnya dusun, banjar, atau jorong; belum dipakai di halaman panel."),
    )


class OfficialListForm(PanelForm):
    file = FileField(
        _("Daftar resmi desa (CSV atau XLSX)"),
        [FileRequired(_("Pilih berkas."))],
        description=_(
            "Paling besar %(size)s MB dan %(rows)s baris. "
            "Kode desa pada impor lalu diperiksa terhadap daftar ini.",
            size=MAX_MEGABYTES,
            rows=MAX_ROWS,
        ),
    )


class FleetForm(PanelForm):
    parallelism = IntegerField(
        _("Situs dikerjakan sekaligus"),
        [
            Optional(),
            NumberRange(1, PARALLELISM_MAXIMUM, _("Isi 1 sampai %(max)s.")),
        ],
        description=_("Di seluruh armada; kosong berarti bawaan instalasi."),
    )
    timezone = SelectField(
        _("Zona waktu"),
        choices=[SelectChoice(zone, f"{word} ({zone})") for zone, word in TIMEZONES.items()],
    )


class SecurityForm(PanelForm):
    session_idle_minutes = IntegerField(
        _("Sesi berakhir setelah menganggur (menit)"),
        [InputRequired(_("Isi 5 sampai 1440 menit."))],
    )
    session_hours = IntegerField(
        _("Sesi berakhir paling lama setelah (jam)"),
        [InputRequired(_("Isi 1 sampai 168 jam."))],
    )
    require_totp_for_admins = BooleanField(_("Admin wajib memakai kode dua langkah"))
