"""API tokens: one's own, and everybody's for administrators."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.models import Role
from siappakai.services import tokens
from siappakai.services.permissions import scopes_within
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.tokens import TokenForm
from siappakai.web.identity import actor, present
from siappakai.web.security import requires

blueprint = Blueprint("tokens", __name__, url_prefix="/tokens")


@blueprint.get("/")
@requires(Role.VIEWER)
def show_list() -> ResponseReturnValue:
    return render_template("tokens/list.html", tokens=tokens.list_tokens(present().id))


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Role.VIEWER)
@asks_again
def create() -> ResponseReturnValue:
    form = TokenForm(offered=scopes_within(present().role))
    if form.accepted():
        made = form.attempt(
            tokens.create_token,
            present().id,
            name=form.name.data,
            scopes=form.scopes.data,
            days=form.days.data,
            by=actor(),
        )
        if made is not None:
            token, text = made
            return render_template("tokens/secret.html", token=token, text=text)
    return render_template("tokens/new.html", form=form), form.status


@blueprint.post("/<int(max=2147483647):token_id>/revoke")
@requires(Role.VIEWER)
def revoke(token_id: int) -> ResponseReturnValue:
    tokens.revoke_token(token_id, by=actor(), owner_id=present().id)
    return _revoked("tokens.show_list")


@blueprint.get("/all")
@requires(Role.ADMIN)
def show_all() -> ResponseReturnValue:
    return render_template("tokens/all.html", tokens=tokens.list_tokens())


@blueprint.post("/all/<int(max=2147483647):token_id>/revoke")
@requires(Role.ADMIN)
def revoke_any(token_id: int) -> ResponseReturnValue:
    tokens.revoke_token(token_id, by=actor())
    return _revoked("tokens.show_all")


def _revoked(endpoint: str) -> ResponseReturnValue:
    flash(_("Token dicabut; ia tidak membuka apa-apa lagi."))
    return redirect(url_for(endpoint), 303)
