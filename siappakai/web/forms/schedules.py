"""The form of a schedule: what it does, for whom, when."""

from __future__ import annotations

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import IntegerField, RadioField, SelectField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Optional
from wtforms.widgets import CheckboxInput

from siappakai.domain.recurrence import Every, Recurrence, Weekday
from siappakai.models import Schedule
from siappakai.services import places, servers
from siappakai.services.schedule_actions import ACTIONS
from siappakai.services.schedule_orders import Order, order_of
from siappakai.web.forms import PanelForm
from siappakai.web.planning import ACTION_TITLES, EVERY_NAMES, WEEKDAY_NAMES


def _server_choices() -> list[SelectChoice]:
    listed = [SelectChoice(str(one.id), one.name) for one in servers.list_servers()]
    return [SelectChoice("", gettext("Semua server")), *listed]


def _district_choices() -> list[SelectChoice]:
    listed = [SelectChoice(one.code, one.name) for one in places.list_districts()]
    return [SelectChoice("", gettext("Semua kecamatan")), *listed]


class ScheduleForm(PanelForm):
    name = StringField(
        _("Nama jadwal"),
        [InputRequired(_("Isi nama jadwal."))],
        description=_("Misalnya: Periksa semua situs tiap malam."),
    )
    action = SelectField(
        _("Yang dilakukan"),
        choices=lambda: [SelectChoice(name, str(ACTION_TITLES[name])) for name in ACTIONS],
    )
    server_id = SelectField(_("Di server"), choices=_server_choices)
    district = SelectField(_("Untuk kecamatan"), choices=_district_choices)
    every = RadioField(
        _("Berulang"),
        choices=lambda: [SelectChoice(one.value, str(EVERY_NAMES[one])) for one in Every],
        default=Every.DAY.value,
    )
    weekdays = SelectMultipleField(
        _("Hari"),
        choices=lambda: [SelectChoice(one.value, str(WEEKDAY_NAMES[one])) for one in Weekday],
        option_widget=CheckboxInput(),
    )
    month_day = IntegerField(
        _("Tanggal"),
        [Optional()],
        description=_("1 sampai 31; bulan yang lebih pendek memakai hari terakhirnya."),
    )
    at = StringField(
        _("Pukul"),
        [InputRequired(_("Isi jam dan menit, misalnya 02:00."))],
        default="02:00",
        description=_("Menurut zona waktu kabupaten."),
    )
    spread_minutes = IntegerField(
        _("Sebar sampai (menit)"),
        [InputRequired(_("Isi 0 sampai 720."))],
        default=0,
        description=_("Mulai diundur acak paling banyak selama ini; 0 berarti tepat waktu."),
    )
    grace_minutes = IntegerField(
        _("Batas terlambat (menit)"),
        [InputRequired(_("Isi 5 sampai 10080."))],
        default=60,
        description=_("Setelah panel mati, masih disusulkan sekali bila belum lewat batas ini."),
    )

    @classmethod
    def of(cls, schedule: Schedule) -> ScheduleForm:
        """Return the form of a schedule as it is."""
        order, rule = order_of(schedule), schedule.recurrence
        data = {
            "name": schedule.name,
            "action": order.action,
            "server_id": str(order.server_id or ""),
            "district": order.district,
            "every": rule.every.value,
            "weekdays": rule.weekdays,
            "month_day": rule.month_day,
            "at": rule.at,
            "spread_minutes": order.spread_minutes,
            "grace_minutes": order.grace_minutes,
        }
        return cls(formdata=None, data=data)

    def order(self) -> Order:
        """Return what the form says, still to be checked by the service."""
        return Order(
            action=self.action.data,
            recurrence=Recurrence(
                every=Every(self.every.data),
                at=self.at.data or "",
                weekdays=tuple(self.weekdays.data or ()),
                month_day=self.month_day.data,
            ),
            server_id=int(self.server_id.data) if self.server_id.data else None,
            district=self.district.data or "",
            spread_minutes=self.spread_minutes.data or 0,
            grace_minutes=self.grace_minutes.data or 0,
        )
