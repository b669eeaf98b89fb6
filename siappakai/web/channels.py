"""Channels that alerts are sent to, and from when on a disk counts as filling."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.domain.alerts import PENDING, AlertEvent
from siappakai.models import Channel, Role
from siappakai.services import channels, health, settings
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.channels import ChannelForm, NewChannelForm, ThresholdForm
from siappakai.web.identity import actor
from siappakai.web.security import requires

blueprint = Blueprint("channels", __name__, url_prefix="/channels")


@blueprint.get("/")
@requires(Role.ADMIN)
def show_list() -> ResponseReturnValue:
    return _list_page()


@blueprint.post("/threshold")
@requires(Role.ADMIN)
def set_threshold() -> ResponseReturnValue:
    form = ThresholdForm()
    if form.accepted():
        form.attempt(
            settings.put, settings.DISK_FREE_PERCENT, form.disk_free_percent.data, by=actor()
        )
        if form.refusal is None:
            flash(_("Pengaturan disimpan."))
            return redirect(url_for("channels.show_list"), 303)
    return _list_page(form)


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Role.ADMIN)
@asks_again
def create() -> ResponseReturnValue:
    form = NewChannelForm()
    if form.accepted():
        made = form.attempt(
            channels.create_channel,
            name=form.name.data,
            kind=form.kind.data,
            address=form.secret_address.data,
            wishes=form.wishes(),
            by=actor(),
        )
        if made is not None:
            channel, secret = made
            if secret:
                return render_template("channels/secret.html", channel=channel, secret=secret)
            flash(_("Saluran ditambahkan. Kirim pesan percobaan untuk memastikannya."))
            return _to(channel.id)
    return render_template("channels/new.html", form=form), form.status


@blueprint.route("/<int(max=2147483647):channel_id>", methods=["GET", "POST"])
@requires(Role.ADMIN)
@asks_again
def show(channel_id: int) -> ResponseReturnValue:
    channel = channels.get_channel(channel_id)
    form = ChannelForm(obj=channel)
    if form.accepted():
        saved = form.attempt(
            channels.update_channel,
            channel_id,
            name=form.name.data,
            address=form.secret_address.data or "",
            wishes=form.wishes(),
            by=actor(),
        )
        if saved is not None:
            flash(_("Saluran disimpan."))
            return _to(channel_id)
    return render_template("channels/show.html", form=form, **_messages(channel)), form.status


@blueprint.get("/<int(max=2147483647):channel_id>/messages")
@requires(Role.ADMIN)
def messages(channel_id: int) -> ResponseReturnValue:
    channel = channels.get_channel(channel_id)
    return render_template("channels/_messages.html", **_messages(channel))


@blueprint.post("/<int(max=2147483647):channel_id>/test")
@requires(Role.ADMIN)
def test(channel_id: int) -> ResponseReturnValue:
    channels.request_test(channel_id, by=actor())
    return _to(channel_id)


@blueprint.post("/<int(max=2147483647):channel_id>/<any(enable, disable):verb>")
@requires(Role.ADMIN)
@asks_again
def set_enabled(channel_id: int, verb: str) -> ResponseReturnValue:
    channels.set_enabled(channel_id, is_enabled=verb == "enable", by=actor())
    flash(_("Saluran dibuka.") if verb == "enable" else _("Saluran ditutup."))
    return _to(channel_id)


@blueprint.post("/<int(max=2147483647):channel_id>/secret")
@requires(Role.ADMIN)
@asks_again
def renew_secret(channel_id: int) -> ResponseReturnValue:
    secret = channels.renew_secret(channel_id, by=actor())
    channel = channels.get_channel(channel_id)
    return render_template("channels/secret.html", channel=channel, secret=secret)


@blueprint.post("/<int(max=2147483647):channel_id>/remove")
@requires(Role.ADMIN)
@asks_again
def remove(channel_id: int) -> ResponseReturnValue:
    channels.remove_channel(channel_id, by=actor())
    flash(_("Saluran dihapus."))
    return redirect(url_for("channels.show_list"), 303)


def _to(channel_id: int) -> ResponseReturnValue:
    return redirect(url_for("channels.show", channel_id=channel_id), 303)


def _list_page(form: ThresholdForm | None = None) -> ResponseReturnValue:
    form = form or ThresholdForm(
        formdata=None, data=settings.get_many([settings.DISK_FREE_PERCENT])
    )
    return render_template(
        "channels/list.html",
        channels=channels.list_channels(),
        latest=channels.latest_deliveries(),
        threshold_form=form,
        lookout=health.look_at_lookout(),
    ), form.status


def _messages(channel: Channel) -> dict[str, Any]:
    """Return what the messages of a channel show; while a test is on its way they are polled."""
    page = request.args.get("page", 1, type=int)
    found = channels.deliveries_of(channel=channel, page=page)
    is_waiting = any(one.event is AlertEvent.TEST and one.state in PENDING for one in found.items)
    return {"channel": channel, "deliveries": found, "is_waiting": is_waiting}
