"""How schedules are told on pages: what they do, for whom, when, and why something was not done."""

from __future__ import annotations

from typing import Any, Final

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from siappakai.domain.alert_texts import CAUSES
from siappakai.domain.recurrence import Every, Recurrence, Weekday
from siappakai.models import Schedule
from siappakai.web.languages import retell
from siappakai.wording import unpack

# The shortest month's last day: what comes later is not in every month.
_IN_EVERY_MONTH: Final = 28

ACTION_TITLES: Final = {
    "health": _("Periksa kesehatan situs"),
    "install": _("Pasang situs yang direncanakan"),
    "prepare": _("Siapkan server"),
    "prune": _("Rapikan catatan lama di registri"),
    "backup": _("Cadangkan situs"),
    "prove": _("Buktikan cadangan terbaru"),
    "merge": _("Gabungkan desa yang berubah"),
    "verify": _("Buktikan gabungan"),
    "prune_backups": _("Pangkas cadangan lama"),
}
WEEKDAY_NAMES: Final = {
    Weekday.MONDAY: _("Senin"),
    Weekday.TUESDAY: _("Selasa"),
    Weekday.WEDNESDAY: _("Rabu"),
    Weekday.THURSDAY: _("Kamis"),
    Weekday.FRIDAY: _("Jumat"),
    Weekday.SATURDAY: _("Sabtu"),
    Weekday.SUNDAY: _("Minggu"),
}
EVERY_NAMES: Final = {
    Every.DAY: _("Setiap hari"),
    Every.WEEK: _("Hari tertentu dalam minggu"),
    Every.MONTH: _("Tanggal tertentu dalam bulan"),
}


def action_title(name: str) -> str:
    """Return what an action of a schedule is called."""
    return str(ACTION_TITLES[name])


def rule_words(rule: Recurrence) -> str:
    """Return when something comes round, in a sentence."""
    clock = rule.at.replace(":", ".")
    if rule.every is Every.DAY:
        return gettext("Setiap hari pukul %(clock)s", clock=clock)
    if rule.every is Every.WEEK:
        days = ", ".join(str(WEEKDAY_NAMES[Weekday(day)]) for day in rule.weekdays)
        return gettext("Setiap %(days)s pukul %(clock)s", days=days, clock=clock)
    if (rule.month_day or 1) > _IN_EVERY_MONTH:
        return gettext(
            "Setiap tanggal %(day)s atau hari terakhir bulan pukul %(clock)s",
            day=rule.month_day,
            clock=clock,
        )
    return gettext("Setiap tanggal %(day)s pukul %(clock)s", day=rule.month_day, clock=clock)


def scope_words(schedule: Schedule) -> str:
    """Return for whom a schedule is."""
    server, district = schedule.server, schedule.district
    if server is not None and district is not None:
        return gettext(
            "Kecamatan %(district)s di %(server)s", district=district.name, server=server.name
        )
    if server is not None:
        return gettext("Server %(server)s", server=server.name)
    if district is not None:
        return gettext("Kecamatan %(district)s", district=district.name)
    return gettext("Seluruh armada")


def refusal_words(refusal: dict[str, Any]) -> str:
    """Return why something was left out, and where."""
    words = CAUSES[refusal["cause"]]
    cause = gettext(words)
    message = retell(unpack(refusal["message"])) if refusal["message"] else ""
    where = f"{refusal['server']}: " if refusal["server"] else ""
    return f"{where}{cause}. {message}".strip()
