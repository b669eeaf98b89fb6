"""Servers: enrol a machine, look at it, prepare it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.domain.hostkeys import HostKey
from siappakai.models import Role, Server
from siappakai.services import abandonment, enrolment, keys, servers
from siappakai.services.permissions import least_role
from siappakai.services.sorting import in_order
from siappakai.web.confirmation import asks_again
from siappakai.web.forms.servers import (
    AbandonForm,
    AddressForm,
    ArrangementForm,
    EnrolForm,
    PinForm,
    ServerForm,
)
from siappakai.web.identity import actor
from siappakai.web.security import requires

blueprint = Blueprint("servers", __name__, url_prefix="/servers")


@blueprint.get("/")
@requires(Role.VIEWER)
def show_list() -> ResponseReturnValue:
    query, sort = request.args.get("query", "").strip(), request.args.get("sort", "name")
    counts = servers.sites_by_server()
    return render_template(
        "servers/list.html",
        servers=in_order(servers.list_servers(query=query), sort, _sorts(counts)),
        query=query,
        sort=sort,
        counts=counts,
    )


def _sorts(sites: dict[int, int]) -> dict[str, Callable[[Server], Any]]:
    return {
        "name": lambda server: server.name,
        "state": lambda server: server.state,
        "sites": lambda server: sites.get(server.id, 0),
        "cpus": lambda server: server.facts.get("cpus"),
        "memory": lambda server: server.facts.get("memory_bytes"),
        "disk": lambda server: server.facts.get("disk_free_bytes"),
    }


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Role.ADMIN)
def inspect() -> ResponseReturnValue:
    form = AddressForm()
    if form.accepted():
        key = form.attempt(enrolment.inspect_host, form.address.data.strip(), form.port.data)
        if key is not None:
            return _enrol_page(_offer(form, key))
    return render_template(
        "servers/new.html", form=form, local_form=ArrangementForm(formdata=None)
    ), form.status


@blueprint.post("/enrol")
@requires(Role.ADMIN)
def enrol() -> ResponseReturnValue:
    form = EnrolForm()
    if form.accepted():
        server = form.attempt(
            enrolment.enrol_server,
            name=form.name.data,
            address=form.address.data,
            port=int(form.port.data) if form.port.data.isdecimal() else 0,
            user=form.user.data,
            fingerprint=form.fingerprint.data,
            password=form.password.data or None,
            private_key=form.private_key.data or None,
            arrangement=form.arrangement(),
            by=actor(),
        )
        if server is not None:
            return _enrolled(server)
    return _enrol_page(form)


@blueprint.post("/enrol-local")
@requires(Role.ADMIN)
def enrol_local() -> ResponseReturnValue:
    form = ArrangementForm()
    if form.accepted():
        server = form.attempt(
            enrolment.enrol_local_server,
            name=form.name.data,
            arrangement=form.arrangement(),
            by=actor(),
        )
        if server is not None:
            return _enrolled(server)
    return render_template(
        "servers/new.html", form=AddressForm(formdata=None), local_form=form
    ), form.status


@blueprint.get("/<int(max=2147483647):server_id>")
@requires(Role.VIEWER)
def show(server_id: int) -> ResponseReturnValue:
    server = servers.get_server(server_id)
    return _page(server, ServerForm.of(server))


@blueprint.post("/<int(max=2147483647):server_id>/update")
@requires(Role.ADMIN)
def update(server_id: int) -> ResponseReturnValue:
    server = servers.get_server(server_id)
    form = ServerForm.of(server, sent=True)
    if form.accepted():
        changed = form.attempt(servers.update_server, server_id, by=actor(), **form.changes())
        if changed is not None:
            flash(_("Pengaturan server disimpan."))
            return redirect(url_for("servers.show", server_id=server_id), 303)
    return _page(server, form)


@blueprint.post("/<int(max=2147483647):server_id>/prepare")
@requires(least_role("server"))
def prepare(server_id: int) -> ResponseReturnValue:
    run = servers.request_prepare(server_id, by=actor())
    return redirect(url_for("runs.show", run_id=run.id), 303)


@blueprint.post("/<int(max=2147483647):server_id>/probe")
@requires(Role.OPERATOR)
def probe(server_id: int) -> ResponseReturnValue:
    enrolment.probe_server(server_id, by=actor())
    flash(_("Server diperiksa lagi."))
    return redirect(url_for("servers.show", server_id=server_id), 303)


@blueprint.post("/<int(max=2147483647):server_id>/host-key")
@requires(Role.ADMIN)
def inspect_host_key(server_id: int) -> ResponseReturnValue:
    server = servers.get_server(server_id)
    key = enrolment.inspect_host(server.address, server.port)
    form = PinForm(formdata=None, data={"fingerprint": key.fingerprint})
    pinned = HostKey.parse(server.host_key).fingerprint
    return render_template("servers/host_key.html", server=server, form=form, pinned=pinned)


@blueprint.post("/<int(max=2147483647):server_id>/host-key/pin")
@requires(Role.ADMIN)
@asks_again
def pin_host_key(server_id: int) -> ResponseReturnValue:
    fingerprint = PinForm().fingerprint.data or ""
    enrolment.pin_host_key(server_id, fingerprint=fingerprint, by=actor())
    flash(_("Kunci host disematkan."))
    return redirect(url_for("servers.show", server_id=server_id), 303)


@blueprint.post("/<int(max=2147483647):server_id>/forget")
@requires(Role.ADMIN)
def forget(server_id: int) -> ResponseReturnValue:
    servers.forget_server(server_id, by=actor())
    flash(_("Server dilupakan."))
    return redirect(url_for("servers.show_list"), 303)


@blueprint.route("/<int(max=2147483647):server_id>/abandon", methods=["GET", "POST"])
@requires(Role.ADMIN)
@asks_again
def abandon(server_id: int) -> ResponseReturnValue:
    form = AbandonForm()
    if form.accepted():
        count = form.confirmed_count.data
        lost = form.attempt(
            abandonment.abandon_server, server_id, confirmed_count=count, by=actor()
        )
        if lost is not None:
            flash(_("Server ditinggalkan."))
            return redirect(url_for("servers.show_list"), 303)
    return render_template(
        "servers/abandon.html",
        server=servers.get_server(server_id),
        site_count=servers.count_sites(server_id),
        form=form,
    ), form.status


def _offer(form: AddressForm, key: HostKey) -> EnrolForm:
    given = {
        "address": form.address.data.strip(),
        "port": form.port.data,
        "fingerprint": key.fingerprint,
    }
    return EnrolForm(formdata=None, data=given)


def _enrol_page(form: EnrolForm) -> ResponseReturnValue:
    return render_template(
        "servers/enrol.html", form=form, public_key=keys.public_key()
    ), form.status


def _page(server: Server, form: ServerForm) -> ResponseReturnValue:
    return render_template(
        "servers/show.html",
        server=server,
        holdings=servers.holdings_of(server.id),
        form=form,
    ), form.status


def _enrolled(server: Server) -> ResponseReturnValue:
    flash(_("Server didaftarkan. Langkah berikutnya: siapkan server."))
    return redirect(url_for("servers.show", server_id=server.id), 303)
