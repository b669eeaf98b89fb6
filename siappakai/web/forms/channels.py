"""Forms about channels: where alerts are sent, how severe they must be, when it is quiet."""

from __future__ import annotations

from typing import ClassVar

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import BooleanField, IntegerField, PasswordField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, NumberRange

from siappakai.domain.alerts import Severity
from siappakai.services.channels import APPRISE, WEBHOOK, Wishes
from siappakai.services.settings import DISK_FREE_PERCENTS
from siappakai.web.forms import PanelForm
from siappakai.web.labels import label_of


class _WishesForm(PanelForm):
    also_called: ClassVar[dict[str, str]] = {"address": "secret_address"}
    name = StringField(
        _("Nama saluran"),
        [InputRequired(_("Isi nama saluran."))],
        description=_("Misalnya: Telegram tim TI."),
    )
    least_severity = SelectField(
        _("Kirim mulai dari"),
        choices=lambda: [SelectChoice(one.value, label_of(one).text) for one in Severity],
        default=Severity.WARNING.value,
    )
    quiet_from = StringField(
        _("Jam tenang mulai"), description=_("Jam menurut zona waktu kabupaten, misalnya 22:00.")
    )
    quiet_until = StringField(
        _("Jam tenang selesai"), description=_("Kosongkan keduanya bila tidak ada jam tenang.")
    )
    critical_passes = BooleanField(_("Yang genting tetap dikirim pada jam tenang"), default=True)

    def wishes(self) -> Wishes:
        """Return when the channel shall speak."""
        return Wishes(
            least_severity=Severity(self.least_severity.data),
            quiet_from=self.quiet_from.data or "",
            quiet_until=self.quiet_until.data or "",
            critical_passes=bool(self.critical_passes.data),
        )


class NewChannelForm(_WishesForm):
    kind = RadioField(
        _("Jenis"),
        choices=lambda: [
            SelectChoice(
                APPRISE, gettext("Layanan pesan (Telegram, surel, WhatsApp, dan lain-lain)")
            ),
            SelectChoice(WEBHOOK, gettext("Webhook yang ditandatangani")),
        ],
        default=APPRISE,
    )
    secret_address = PasswordField(
        _("Alamat"),
        [InputRequired(_("Isi alamat saluran."))],
        description=_(
            "Alamat Apprise seperti tgram://TOKEN/CHAT_ID atau mailtos://…, atau https://… untuk"
            " webhook. Disimpan tersegel dan tidak ditampilkan lagi."
        ),
    )


class ChannelForm(_WishesForm):
    secret_address = PasswordField(
        _("Alamat baru"), description=_("Kosongkan bila alamatnya tetap.")
    )


class ThresholdForm(PanelForm):
    disk_free_percent = IntegerField(
        _("Peringatkan bila sisa disk kurang dari (persen)"),
        [
            InputRequired(_("Isi 1 sampai 50.")),
            NumberRange(
                DISK_FREE_PERCENTS.start, DISK_FREE_PERCENTS.stop - 1, _("Isi 1 sampai 50.")
            ),
        ],
        description=_("Di bawah sepertiganya, peringatan menjadi genting."),
    )
