"""What a schedule is told: what to do, for whom, when. Checked before it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from siappakai.domain.codes import parse_region_code
from siappakai.domain.recurrence import Recurrence
from siappakai.domain.schedules import GRACE_MINUTES, SPREAD_MINUTES, check_minutes
from siappakai.domain.states import ServerState
from siappakai.errors import InvalidInputError
from siappakai.models import District, Schedule, Server, db
from siappakai.services.schedule_actions import ACTIONS, Action
from siappakai.wording import say

_DISTRICT_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Order:
    """What a schedule shall do, for whom and when.

    `server_id` and `district` (a code) narrow it; without them it is for the whole fleet.
    """

    action: str
    recurrence: Recurrence
    server_id: int | None = None
    district: str = ""
    spread_minutes: int = 0
    grace_minutes: int = 60

    def checked(self) -> dict[str, Any]:
        """Return it as columns; raises InvalidInputError naming the field."""
        action = _check_action(self.action)
        when = self.recurrence.checked()
        return {
            "action": action.name,
            **_check_scope(action, self.server_id, self.district),
            "every": when.every,
            "weekdays": list(when.weekdays),
            "month_day": when.month_day,
            "at": when.at,
            "spread_minutes": check_minutes(self.spread_minutes, SPREAD_MINUTES, "spread_minutes"),
            "grace_minutes": check_minutes(self.grace_minutes, GRACE_MINUTES, "grace_minutes"),
        }


def order_of(schedule: Schedule) -> Order:
    """Return what a schedule is told to do, to be changed in part."""
    return Order(
        action=schedule.action,
        recurrence=schedule.recurrence,
        server_id=schedule.server_id,
        district=schedule.district_code or "",
        spread_minutes=schedule.spread_minutes,
        grace_minutes=schedule.grace_minutes,
    )


def _check_action(name: str) -> Action:
    if name not in ACTIONS:
        raise InvalidInputError(
            say("Tindakan “%(name)s” tidak dikenal.", name=name),
            say("Pilih dari: %(choices)s.", choices=", ".join(ACTIONS)),
            field="action",
        )
    return ACTIONS[name]


def _check_scope(action: Action, server_id: int | None, district: str) -> dict[str, Any]:
    if server_id is not None and action.at_once is not None:
        raise InvalidInputError(
            say("Tindakan ini bukan tentang server."),
            say("Pilih seluruh armada."),
            field="server_id",
        )
    if district and not action.has_districts:
        raise InvalidInputError(
            say("Tindakan ini bukan tentang desa."),
            say("Pilih semua kecamatan."),
            field="district",
        )
    code = parse_region_code(district, _DISTRICT_DIGITS, field="district") if district else None
    _refuse_unknown(server_id, code)
    return {"server_id": server_id, "district_code": code}


def _refuse_unknown(server_id: int | None, district: str | None) -> None:
    server = db.session.get(Server, server_id) if server_id is not None else None
    if server_id is not None and (server is None or server.state is ServerState.FORGOTTEN):
        raise InvalidInputError(
            say("Server itu tidak ada."), say("Pilih dari daftar server."), field="server_id"
        )
    if district is not None and db.session.get(District, district) is None:
        raise InvalidInputError(
            say("Kecamatan %(code)s belum terdaftar.", code=district),
            say("Pilih dari daftar kecamatan."),
            field="district",
        )
