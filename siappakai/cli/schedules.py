"""`siappakai schedule`: what the clock asks for, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar

import click

from siappakai.cli.asking import agree, yes_option
from siappakai.cli.command import Group
from siappakai.cli.context import actor
from siappakai.cli.output import Listing
from siappakai.cli.planning import (
    DeletedSchedule,
    PlannedRecord,
    ScheduleDetail,
    ScheduleRecord,
    past_record,
    record_of,
)
from siappakai.cli.servers import server_named
from siappakai.domain.recurrence import Every, Recurrence
from siappakai.errors import NotFoundError
from siappakai.models import Schedule
from siappakai.services import schedules
from siappakai.services.schedule_actions import ACTIONS
from siappakai.services.schedule_orders import Order, order_of

F = TypeVar("F", bound=Callable[..., Any])

_LENGTH: Final = 20
_MOST_TIMES: Final = 100


schedule = Group("schedule", help="What is asked for by itself, again and again.")


def _order_options(function: F) -> F:
    """Add the options that say for whom and when."""
    for option in (
        click.option(
            "--grace", "grace_minutes", type=int, help="Minutes after which it is missed."
        ),
        click.option("--spread", "spread_minutes", type=int, help="Put off by less than minutes."),
        click.option("--at", help="Time of day, HH:MM in the regency's zone."),
        click.option("--day", "month_day", type=int, help="With --every month: 1 to 31."),
        click.option("--on", "weekdays", help="With --every week: days such as mo,th."),
        click.option(
            "--every", type=click.Choice([one.value for one in Every]), help="What it counts in."
        ),
        click.option("--district", help="Only this district (code); empty for all."),
        click.option("--server", help="Only this server (name); empty for all."),
    ):
        function = option(function)
    return function


@schedule.command("list", example="siappakai schedule list")
def list_schedules() -> Listing[ScheduleRecord]:
    """List the schedules by name."""
    return Listing.of(record_of(one) for one in schedules.list_schedules())


@schedule.command("show", example='siappakai schedule show "Periksa malam"')
@click.argument("name")
def show_schedule(name: str) -> ScheduleDetail:
    """Show a schedule, its next five times, and what became of the last ones."""
    found = _named(name)
    past = schedules.occurrences_of(found, per_page=_LENGTH).items
    return ScheduleDetail(
        record_of(found), schedules.upcoming(found), [past_record(one) for one in past]
    )


@schedule.command("next", example="siappakai schedule next --count 10")
@click.argument("name", required=False)
@click.option(
    "--count",
    type=click.IntRange(1, _MOST_TIMES),
    default=schedules.UPCOMING,
    show_default=True,
    help="How many times.",
)
def list_next(name: str | None, *, count: int) -> Listing[PlannedRecord]:
    """List what comes next: the next time of each schedule, or the next times of one."""
    if name is not None:
        found = _named(name)
        return Listing.of(PlannedRecord(name, at) for at in schedules.upcoming(found, count))
    planned = schedules.next_planned(count)
    return Listing.of(PlannedRecord(one.schedule.name, one.due_at) for one in planned)


@schedule.command(
    "create",
    changes=True,
    example='siappakai schedule create "Periksa malam" --action health --every day --at 02:00',
)
@click.argument("name")
@click.option("--action", type=click.Choice(list(ACTIONS)), required=True, help="What it does.")
@_order_options
@click.option("--paused", is_flag=True, help="Let it begin paused.")
def create_schedule(name: str, *, action: str, paused: bool, **given: Any) -> ScheduleRecord:
    """Add a schedule; its first time is the next one from now on."""
    begin = Order(action, Recurrence(Every(given["every"] or Every.DAY), given["at"] or ""))
    made = schedules.create_schedule(
        name=name, order=_ordered(begin, given), is_paused=paused, by=actor()
    )
    return record_of(made)


@schedule.command(
    "edit",
    changes=True,
    example='siappakai schedule edit "Periksa malam" --every week --on mo,th --at 01:30',
)
@click.argument("name")
@click.option("--name", "new_name", help="Its new name.")
@click.option("--action", type=click.Choice(list(ACTIONS)), help="What it does from now on.")
@_order_options
def edit_schedule(
    name: str, *, new_name: str | None, action: str | None, **given: Any
) -> ScheduleRecord:
    """Change what is given; the rest stays."""
    found = _named(name)
    present = order_of(found)
    order = _ordered(replace(present, action=action or present.action), given)
    return record_of(schedules.update_schedule(found.id, name=new_name, order=order, by=actor()))


@schedule.command("pause", changes=True, example='siappakai schedule pause "Periksa malam"')
@click.argument("name")
def pause_schedule(name: str) -> ScheduleRecord:
    """Pause a schedule: nothing is asked for, nor made up for later."""
    return record_of(schedules.set_paused(_named(name).id, is_paused=True, by=actor()))


@schedule.command("resume", changes=True, example='siappakai schedule resume "Periksa malam"')
@click.argument("name")
def resume_schedule(name: str) -> ScheduleRecord:
    """Let a schedule go on; a time still within its grace is caught up."""
    return record_of(schedules.set_paused(_named(name).id, is_paused=False, by=actor()))


@schedule.command("delete", changes=True, example='siappakai schedule delete "Periksa malam" --yes')
@click.argument("name")
@yes_option
def delete_schedule(name: str, *, yes: bool) -> DeletedSchedule:
    """Delete a schedule with the record of its times; its runs stay."""
    found = _named(name)
    agree(f"Hapus jadwal {name}?", yes=yes)
    schedules.delete_schedule(found.id, by=actor())
    return DeletedSchedule(name)


def _ordered(order: Order, given: dict[str, Any]) -> Order:
    """Return an order with what was given put in; None is not given."""
    rule = order.recurrence
    rule = Recurrence(
        every=Every(given["every"]) if given["every"] else rule.every,
        at=rule.at if given["at"] is None else given["at"],
        weekdays=rule.weekdays if given["weekdays"] is None else _days(given["weekdays"]),
        month_day=rule.month_day if given["month_day"] is None else given["month_day"],
    )
    minutes = {
        key: given[key] for key in ("spread_minutes", "grace_minutes") if given[key] is not None
    }
    server, district = given["server"], given["district"]
    return replace(
        order,
        recurrence=rule,
        server_id=order.server_id if server is None else _server_id(server),
        district=order.district if district is None else district,
        **minutes,
    )


def _days(text: str) -> tuple[str, ...]:
    return tuple(day.strip().lower() for day in text.split(",") if day.strip())


def _server_id(name: str) -> int | None:
    return server_named(name).id if name else None


def _named(name: str) -> Schedule:
    found = schedules.find_schedule(name)
    if found is None:
        raise NotFoundError(f"Jadwal “{name}” tidak ada.", "Lihat: siappakai schedule list.")
    return found
