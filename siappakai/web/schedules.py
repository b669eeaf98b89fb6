"""Schedules: what the clock asks for, and what became of it."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.models import Role, Schedule
from siappakai.services import schedules
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.schedules import ScheduleForm
from siappakai.web.identity import actor
from siappakai.web.security import requires

blueprint = Blueprint("schedules", __name__, url_prefix="/schedules")


@blueprint.get("/")
@requires(Role.VIEWER)
def show_list() -> ResponseReturnValue:
    listed = schedules.list_schedules()
    coming = schedules.next_planned(len(listed))
    return render_template(
        "schedules/list.html",
        schedules=listed,
        due={one.schedule.id: one.due_at for one in coming},
        latest=schedules.latest_of_each(),
    )


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Role.ADMIN)
@asks_again
def create() -> ResponseReturnValue:
    form = ScheduleForm()
    if form.accepted():
        made = form.attempt(
            schedules.create_schedule, name=form.name.data, order=form.order(), by=actor()
        )
        if made is not None:
            flash(_("Jadwal dibuat."))
            return _to(made.id)
    return render_template("schedules/new.html", form=form), form.status


@blueprint.get("/<int(max=2147483647):schedule_id>")
@requires(Role.VIEWER)
def show(schedule_id: int) -> ResponseReturnValue:
    schedule = schedules.get_schedule(schedule_id)
    return _page(schedule, ScheduleForm.of(schedule))


@blueprint.post("/<int(max=2147483647):schedule_id>/update")
@requires(Role.ADMIN)
@asks_again
def update(schedule_id: int) -> ResponseReturnValue:
    schedule, form = schedules.get_schedule(schedule_id), ScheduleForm()
    if form.accepted():
        changed = form.attempt(
            schedules.update_schedule,
            schedule_id,
            name=form.name.data,
            order=form.order(),
            by=actor(),
        )
        if changed is not None:
            flash(_("Jadwal disimpan."))
            return _to(schedule_id)
    return _page(schedule, form)


@blueprint.post("/<int(max=2147483647):schedule_id>/pause")
@requires(Role.OPERATOR)
@asks_again
def pause(schedule_id: int) -> ResponseReturnValue:
    schedules.set_paused(schedule_id, is_paused=True, by=actor())
    flash(_("Jadwal dijeda."))
    return _to(schedule_id)


@blueprint.post("/<int(max=2147483647):schedule_id>/resume")
@requires(Role.OPERATOR)
@asks_again
def resume(schedule_id: int) -> ResponseReturnValue:
    schedules.set_paused(schedule_id, is_paused=False, by=actor())
    flash(_("Jadwal berjalan lagi."))
    return _to(schedule_id)


@blueprint.post("/<int(max=2147483647):schedule_id>/remove")
@requires(Role.ADMIN)
@asks_again
def remove(schedule_id: int) -> ResponseReturnValue:
    schedules.delete_schedule(schedule_id, by=actor())
    flash(_("Jadwal dihapus."))
    return redirect(url_for("schedules.show_list"), 303)


def _to(schedule_id: int) -> ResponseReturnValue:
    return redirect(url_for("schedules.show", schedule_id=schedule_id), 303)


def _page(schedule: Schedule, form: ScheduleForm) -> ResponseReturnValue:
    page = request.args.get("page", 1, type=int)
    return render_template(
        "schedules/show.html",
        schedule=schedule,
        form=form,
        upcoming=schedules.upcoming(schedule),
        occurrences=schedules.occurrences_of(schedule, page=page),
    ), form.status
