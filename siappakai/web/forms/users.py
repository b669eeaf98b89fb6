"""Forms about accounts: signing in, passwords, people."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import PasswordField, RadioField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import EqualTo, InputRequired

from siappakai.models import Role
from siappakai.web.forms import PanelForm
from siappakai.web.labels import role_name


class LoginForm(PanelForm):
    username = StringField(
        _("Nama pengguna"), [InputRequired(_("Isi nama pengguna."))], name="username"
    )
    password = PasswordField(_("Kata sandi"), [InputRequired(_("Isi kata sandi."))])


class CodeForm(PanelForm):
    code = StringField(_("Kode"), [InputRequired(_("Isi kodenya."))])


class ConfirmForm(PanelForm):
    """Names no other form has: its fields travel beside those of the form that waits."""

    confirm_password = PasswordField(_("Kata sandi"), [InputRequired(_("Isi kata sandi."))])
    confirm_code = StringField(_("Kode dua langkah"), [InputRequired(_("Isi kodenya."))])


class PasswordForm(PanelForm):
    current = PasswordField(
        _("Kata sandi sekarang"), [InputRequired(_("Isi kata sandi sekarang."))]
    )
    password = PasswordField(
        _("Kata sandi baru"),
        [InputRequired(_("Isi kata sandi baru."))],
        description=_("Paling sedikit 12 karakter."),
    )
    again = PasswordField(
        _("Kata sandi baru, sekali lagi"), [EqualTo("password", _("Kedua kata sandi berbeda."))]
    )


class UserForm(PanelForm):
    username = StringField(
        _("Nama pengguna"),
        [InputRequired(_("Isi nama pengguna."))],
        description=_("Huruf kecil, angka, titik, atau garis; misalnya ketut.arya."),
    )
    name = StringField(_("Nama lengkap"))
    role = RadioField(
        _("Peran"),
        choices=lambda: [SelectChoice(role.value, role_name(role)) for role in Role],
        default=Role.VIEWER.value,
    )
