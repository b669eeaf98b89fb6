"""Runs: the list, and one of them live."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.ansible.plays import CATALOGUE
from siappakai.domain.states import RETRYABLE, SETTLED, TERMINAL, RunState
from siappakai.models import Role, Run
from siappakai.services import exports, pace, retries, runs, servers
from siappakai.services.permissions import least_role
from siappakai.web.confirmation import asks_again_if
from siappakai.web.identity import actor
from siappakai.web.security import may, requires

_TARGETS_PER_PAGE: Final = 50
# A run this small shows the steps of every target without being asked.
_FEW: Final = 3
LOG_LINES: Final = 200

blueprint = Blueprint("runs", __name__, url_prefix="/runs")


def _is_dangerous(run_id: int) -> bool:
    """Tell whether repeating a run is dangerous: what it does is."""
    return runs.get_run(run_id).play in retries.DANGEROUS


@blueprint.get("/")
@requires(Role.VIEWER)
def show_list() -> ResponseReturnValue:
    filters = _wanted_filters()
    return render_template(
        "runs/list.html",
        runs=runs.list_runs(**filters, page=request.args.get("page", 1, type=int)),
        filters=filters,
        states=RunState,
        plays=[play.name for play in CATALOGUE.values()],
        servers=servers.list_servers(),
    )


@blueprint.get("/<int(max=2147483647):run_id>")
@requires(Role.VIEWER)
def show(run_id: int) -> ResponseReturnValue:
    run = runs.get_run(run_id)
    waits = run.play == exports.EXTRACT and exports.is_waiting(run)
    return render_template("runs/show.html", archive_waits=waits, **_live(run))


@blueprint.get("/<int(max=2147483647):run_id>/live")
@requires(Role.VIEWER)
def live(run_id: int) -> ResponseReturnValue:
    return render_template("runs/_live.html", **_live(runs.get_run(run_id)))


@blueprint.get("/<int(max=2147483647):run_id>/log")
@requires(Role.VIEWER)
def log(run_id: int) -> ResponseReturnValue:
    run = runs.get_run(run_id)
    first = request.args.get("first", 0, type=int)
    page = runs.log_page(run_id, first, LOG_LINES)
    return render_template("runs/log.html", run=run, log=page, lines=LOG_LINES)


@blueprint.post("/<int(max=2147483647):run_id>/cancel")
@requires(Role.OPERATOR)
def cancel(run_id: int) -> ResponseReturnValue:
    runs.request_cancel(run_id, by=actor())
    flash(_("Pembatalan diminta."))
    return redirect(url_for("runs.show", run_id=run_id), 303)


@blueprint.post("/<int(max=2147483647):run_id>/retry")
@requires(Role.OPERATOR)
@asks_again_if(_is_dangerous)
def retry(run_id: int) -> ResponseReturnValue:
    if not may(least_role(runs.get_run(run_id).play)):
        abort(403)
    again = retries.retry_failed(run_id, by=actor())
    if len(again) > 1:
        flash(_("Pekerjaan diminta."))
        return redirect(url_for("runs.show_list"), 303)
    flash(_("Yang gagal diulang dalam pekerjaan baru ini."))
    return redirect(url_for("runs.show", run_id=again[0].id), 303)


def _wanted_filters() -> runs.Filters:
    return {
        "state": _wanted_state(),
        "play": request.args.get("play", ""),
        "server": request.args.get("server", ""),
        "requested_by": request.args.get("requested_by", "").strip(),
    }


def _live(run: Run) -> dict[str, Any]:
    counts = runs.progress(run.id)
    total = sum(counts.values())
    has_failed = run.state in TERMINAL and any(counts.get(one.value) for one in RETRYABLE)
    can_retry = has_failed and may(least_role(run.play))
    targets = runs.targets_of(
        run.id,
        state=_wanted_state(),
        page=request.args.get("page", 1, type=int),
        per_page=_TARGETS_PER_PAGE,
        with_steps=total <= _FEW,
    )
    return {
        "run": run,
        "counts": {state: counts[state.value] for state in RunState if counts.get(state.value)},
        "total": total,
        "settled": sum(counts.get(state.value, 0) for state in SETTLED),
        "targets": targets,
        "current": runs.current_steps(targets.items),
        "opened": request.args.get("target", type=int),
        "all_open": total <= _FEW,
        "waits": runs.waiting_for(run),
        "time_left": pace.time_left(run),
        "is_live": run.state not in TERMINAL,
        "can_retry": can_retry and run.play not in retries.ASKED_ANEW,
        "left": retries.failed_sites(run) if can_retry and run.play == retries.REMOVE else [],
    }


def _wanted_state() -> RunState | None:
    state = request.args.get("state", "")
    if state and state not in set(RunState):
        abort(404)
    return RunState(state) if state else None
