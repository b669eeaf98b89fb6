"""What villages share with the regency, and their leaving the gabungan."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.errors import InvalidInputError
from siappakai.models import Role, Run, Village
from siappakai.services import consents, merges, narrowing, villages, withdrawals
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.consents import ConsentForm, LeavingForm
from siappakai.web.identity import actor
from siappakai.web.security import requires
from siappakai.wording import say

blueprint = Blueprint("consents", __name__, url_prefix="/gabungan")


@blueprint.route("/consent", methods=["GET", "POST"])
@requires(Role.ADMIN)
@asks_again
def decide() -> ResponseReturnValue:
    """Decide for all villages that decide nothing themselves."""
    return _decide(None)


@blueprint.route("/consent/<code>", methods=["GET", "POST"])
@requires(Role.ADMIN)
@asks_again
def decide_for(code: str) -> ResponseReturnValue:
    return _decide(villages.get_village(code))


def _decide(village: Village | None) -> ResponseReturnValue:
    known = consents.newest()
    before = (known.get(village.id) if village else None) or known.get(None)
    form = ConsentForm.of(before.shares if before else {})
    if form.accepted():
        done = form.attempt(
            narrowing.decide,
            village=village,
            changes=form.changes(),
            document=form.document.data,
            by=actor(),
        )
        if done is not None:
            return _decided(done[1])
    return render_template("gabungan/consent.html", form=form, village=village), form.status


def _decided(asked: list[Run]) -> ResponseReturnValue:
    if not asked:
        flash(_("Keputusan dicatat; tidak ada yang perlu dihapus dari gabungan."))
        return redirect(url_for("gabungan.show"), 303)
    flash(_("Keputusan dicatat; yang tidak lagi dibagikan sedang dihapus."))
    return redirect(url_for("runs.show", run_id=asked[0].id), 303)


@blueprint.route("/leave/<code>", methods=["GET", "POST"])
@requires(Role.ADMIN)
@asks_again
def leave(code: str) -> ResponseReturnValue:
    village, form = villages.get_village(code), LeavingForm()
    if form.accepted():
        run = form.attempt(_leave, village, form.typed.data.strip())
        if run is not None:
            return redirect(url_for("runs.show", run_id=run.id), 303)
    return render_template("gabungan/leave.html", form=form, village=village), form.status


def _leave(village: Village, typed: str) -> Run:
    if typed != village.code:
        raise InvalidInputError(
            say("Bukan kode %(name)s.", name=village.name),
            say("Ketik kodenya tanpa titik."),
            field="typed",
        )
    return withdrawals.request_withdraw(villages=[village], confirmed_count=1, by=actor())


@blueprint.post("/users")
@requires(Role.ADMIN)
@asks_again
def reveal_users() -> ResponseReturnValue:
    passwords = sorted(merges.user_passwords(by=actor()).items())
    schema = merges.get_gabungan().schema
    return render_template("gabungan/users.html", passwords=passwords, schema=schema)
