"""What every template has at hand: navigation, filters and words for values."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from flask import Flask, request, url_for
from flask_babel import format_date, format_datetime, gettext
from flask_babel import lazy_gettext as _

from siappakai import __version__
from siappakai.domain.alert_texts import Speech, Story
from siappakai.domain.codes import dotted
from siappakai.models import Alert, Role, Site, utc_now
from siappakai.services import alerts, places, sources
from siappakai.services import settings as registry_settings
from siappakai.services.runs import Filters as RunFilters
from siappakai.services.tokens import state_of
from siappakai.services.villages import Filters
from siappakai.web.consequences import meaning
from siappakai.web.identity import signed_in
from siappakai.web.labels import label_of, play_title, role_name
from siappakai.web.languages import LANGUAGES, language_in_use, retell
from siappakai.web.messages import explain
from siappakai.web.planning import action_title, refusal_words, rule_words, scope_words
from siappakai.web.preferences import theme
from siappakai.web.security import may
from siappakai.web.setup import guide, step_title
from siappakai.web.steps import step_detail, step_name

_MINUTE: Final = 60
_HOUR: Final = 3600
_KILO: Final = 1024


@dataclass(frozen=True, slots=True)
class NavigationItem:
    """One line of the side navigation. `endpoint`'s blueprint tells which line is current."""

    endpoint: str
    title: Any
    icon: str
    role: Role = Role.VIEWER

    @property
    def noun(self) -> str:
        return self.endpoint.partition(".")[0]


_NAVIGATION: Final = (
    NavigationItem("dashboard.show", _("Dasbor"), "layout-dashboard"),
    NavigationItem("villages.show_list", _("Desa"), "map-pinned"),
    NavigationItem("runs.show_list", _("Pekerjaan"), "circle-play"),
    NavigationItem("schedules.show_list", _("Jadwal"), "clock"),
    NavigationItem("backups.show_list", _("Cadangan"), "download"),
    NavigationItem("gabungan.show", _("Gabungan"), "refresh-cw"),
    NavigationItem("alerts.show_list", _("Peringatan"), "bell"),
    NavigationItem("servers.show_list", _("Server"), "server"),
    NavigationItem("releases.show_list", _("Rilis"), "package"),
    NavigationItem("users.show_list", _("Pengguna"), "users", Role.ADMIN),
    NavigationItem("audit.show_list", _("Catatan audit"), "scroll-text", Role.ADMIN),
    NavigationItem("settings.show", _("Pengaturan"), "settings", Role.ADMIN),
)
# Pages that the navigation counts to another noun.
_PART_OF: Final = {"channels": "alerts", "recovery": "backups", "stores": "backups"}
_OF_RUN: Final = frozenset({"state", "page", "target"})
# The query arguments of the pages that link to themselves.
_QUERY: Final = {
    "villages.show_list": frozenset({*Filters.__annotations__, "sort", "page"}),
    "runs.show_list": frozenset({*RunFilters.__annotations__, "page"}),
    "runs.show": _OF_RUN,
    "runs.live": _OF_RUN,
    "runs.log": frozenset({"first"}),
    "imports.show": frozenset({"page", "problems"}),
    "alerts.show_list": frozenset({"state", "severity", "page"}),
    "alerts.show": frozenset({"page"}),
    "channels.show": frozenset({"page"}),
    "schedules.show": frozenset({"page"}),
    "audit.show_list": frozenset({"actor", "action", "subject", "page"}),
}


def init(app: Flask) -> None:
    """Give the templates of `app` their filters and globals."""
    app.jinja_env.filters.update(
        when=when,
        day=day,
        weekday=weekday,
        duration=duration,
        size=size,
        code=dotted,
        play=play_title,
        step=step_name,
        retell=retell,
        step_detail=step_detail,
        role=role_name,
        site_url=site_url,
        story=story,
        setup_step=step_title,
        action=action_title,
        rule=rule_words,
        scope=scope_words,
        refusal=refusal_words,
    )
    app.jinja_env.add_extension("jinja2.ext.do")
    app.jinja_env.globals.update(
        label_of=label_of,
        may=may,
        Role=Role,
        page_url=page_url,
        explain=explain,
        meaning=meaning,
        token_state=state_of,
    )
    app.context_processor(_surroundings)


def when(moment: datetime | None) -> str:
    """Show a time in the regency's zone."""
    return format_datetime(moment, "d MMM yyyy, HH.mm") if moment is not None else "—"


def day(date: dt.date) -> str:
    """Show a day of this year."""
    return str(format_date(date, "d MMM"))


def weekday(date: dt.date) -> str:
    """Show which day of the week a day is, in few letters."""
    return str(format_date(date, "EEE"))


def duration(started: datetime | float | None, ended: datetime | None = None) -> str:
    """Show how long something took: seconds, or between two times (until now when running)."""
    if started is None:
        return "—"
    if isinstance(started, datetime):
        seconds = ((ended or utc_now()) - started).total_seconds()
    else:
        seconds = started
    if seconds < _MINUTE:
        return gettext("%(seconds)s dtk", seconds=f"{seconds:.1f}")
    if seconds < _HOUR:
        minutes, rest = divmod(int(seconds), _MINUTE)
        return gettext("%(minutes)s mnt %(seconds)s dtk", minutes=minutes, seconds=f"{rest:02d}")
    hours, rest = divmod(int(seconds), _HOUR)
    return gettext("%(hours)s jam %(minutes)s mnt", hours=hours, minutes=f"{rest // _MINUTE:02d}")


def size(count: float | None) -> str:
    """Show a number of bytes."""
    if count is None:
        return "—"
    for unit in ("B", "KB", "MB", "GB"):
        if count < _KILO:
            return f"{count:.0f} {unit}"
        count /= _KILO
    return f"{count:.1f} TB"


def story(alert: Alert) -> Story:
    """Return what an alert says, in the reader's language."""
    return alerts.story_of(alert, Speech(gettext, when, play_title))


def site_url(site: Site) -> str:
    """Return where a site is served."""
    scheme, port, usual = (
        ("https", site.server.https_port, 443)
        if site.certificate
        else ("http", site.server.http_port, 80)
    )
    return f"{scheme}://{site.domain}" + ("" if port == usual else f":{port}")


def page_url(endpoint: str = "", /, **changes: object) -> str:
    """Return this page's address with some of its query arguments changed; "" drops one.

    `endpoint` names another page that shows the same thing. Only the arguments a page knows
    are kept: others could be taken for the address's own parts.
    """
    endpoint = endpoint or request.endpoint or "dashboard.show"
    known = _QUERY.get(endpoint, frozenset())
    given = {key: value for key, value in request.args.to_dict().items() if key in known}
    arguments: dict[str, Any] = {**given, **changes, **(request.view_args or {})}
    kept = {key: value for key, value in arguments.items() if value not in {"", None}}
    return url_for(endpoint, **kept)


def village_word() -> str:
    """Return what the regency calls its villages, as a heading; desa is translated, not others."""
    regency = places.find_regency()
    own = regency.village_word if regency else "desa"
    return gettext("Desa") if own == "desa" else own.title()


def _navigation(villages: str) -> list[NavigationItem]:
    return [
        replace(item, title=villages) if item.noun == "villages" else item
        for item in _NAVIGATION
        if may(item.role)
    ]


def _surroundings() -> dict[str, Any]:
    person = signed_in()
    around: dict[str, Any] = {
        "person": person,
        "theme": theme(),
        "language": language_in_use(),
        "languages": LANGUAGES,
        "version": __version__,
        "icons": url_for("static", filename="vendor/icons.svg"),
    }
    if person is not None:
        around["village_word"] = village_word()
        around["navigation"] = _navigation(around["village_word"])
        around["noun"] = _PART_OF.get(request.blueprint or "", request.blueprint or "")
        around["open_alerts"] = alerts.count_open()
        around["guide"] = guide() if may(Role.ADMIN) else None
        around["draining"] = registry_settings.is_draining()
        around["stand_in"] = sources.source_status().stand_in
    return around
