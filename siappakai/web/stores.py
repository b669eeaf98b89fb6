"""Stores of backups, who can open what is in them, and what is still to be set up."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from siappakai.domain.recovery_kit import KitStore
from siappakai.domain.states import ServerState
from siappakai.domain.stores import StoreKind
from siappakai.errors import InvalidInputError
from siappakai.models import Role, Server, Store
from siappakai.services import (
    backup_keys,
    backup_setup,
    enrolment,
    keys,
    servers,
    settings,
    store_changes,
    store_pruning,
    stores,
)
from siappakai.services.backup_setup import BackupStage, BackupStep
from siappakai.web.confirmation import asks_again
from siappakai.web.forms import PanelForm
from siappakai.web.forms.stores import (
    BucketChangeForm,
    BucketForm,
    FolderChangeForm,
    FolderForm,
    MachineForm,
    RemovalForm,
)
from siappakai.web.identity import actor
from siappakai.web.security import requires

blueprint = Blueprint("stores", __name__, url_prefix="/stores")

_TITLES: Final = {
    BackupStep.KEY: lazy_gettext("Buat kunci pemulihan dan simpan di luar jaringan"),
    BackupStep.STORE: lazy_gettext("Tambahkan penyimpanan"),
    BackupStep.SECOND_STORE: lazy_gettext("Tambahkan penyimpanan kedua di tempat lain"),
    BackupStep.PROVER: lazy_gettext("Tunjuk server pembukti"),
    BackupStep.SCHEDULE: lazy_gettext("Jadwalkan cadangan setiap malam"),
    BackupStep.KIT: lazy_gettext("Simpan kit pemulihan"),
    BackupStep.PROVEN: lazy_gettext("Buktikan cadangan pertama"),
}
# Where each is done; the key is made at a terminal.
_PAGES: Final = {
    BackupStep.STORE: "stores.inspect_machine",
    BackupStep.SECOND_STORE: "stores.add_bucket",
    BackupStep.PROVER: "stores.show_list",
    BackupStep.SCHEDULE: "schedules.create",
    BackupStep.KIT: "recovery.show",
    BackupStep.PROVEN: "backups.show_list",
}


def backup_steps() -> list[tuple[BackupStage, str, str]]:
    """Return what backups still need and have, each with its title and page, in order."""
    return [
        (stage, str(_TITLES[stage.step]), url_for(page) if (page := _PAGES.get(stage.step)) else "")
        for stage in backup_setup.stages()
    ]


@blueprint.get("/")
@requires(Role.ADMIN)
def show_list() -> ResponseReturnValue:
    known = stores.list_stores()
    return render_template(
        "stores/list.html",
        stages=backup_steps(),
        stores=known,
        places={store.id: _where(store) for store in known},
        due=store_pruning.due_counts(),
        recipient=settings.get(settings.RECOVERY_RECIPIENT),
        provers=[server for server in servers.list_servers() if server.is_prover],
        candidates=[one for one in servers.list_servers() if _may_prove(one)],
        held=servers.sites_by_server(),
    )


@blueprint.route("/new-folder", methods=["GET", "POST"])
@requires(Role.ADMIN)
def inspect_machine() -> ResponseReturnValue:
    form = MachineForm()
    if form.accepted():
        address = form.address.data.strip()
        key = form.attempt(enrolment.inspect_host, address, form.port.data)
        if key is not None:
            given = {"address": address, "port": form.port.data, "fingerprint": key.fingerprint}
            return _folder_page(FolderForm(formdata=None, data=given))
    return render_template("stores/machine.html", form=form), form.status


@blueprint.post("/folder")
@requires(Role.ADMIN)
@asks_again
def add_folder() -> ResponseReturnValue:
    form = FolderForm()
    if form.accepted():
        store = form.attempt(
            stores.add_sftp,
            name=form.name.data,
            address=form.address.data,
            port=int(form.port.data) if form.port.data.isdecimal() else 0,
            user=form.user.data,
            folder=form.folder.data.strip(),
            fingerprint=form.fingerprint.data,
            by=actor(),
        )
        if store is not None:
            return _added(store)
    return _folder_page(form)


@blueprint.route("/new-bucket", methods=["GET", "POST"])
@requires(Role.ADMIN)
@asks_again
def add_bucket() -> ResponseReturnValue:
    form = BucketForm()
    if form.accepted():
        store = form.attempt(
            stores.add_s3,
            name=form.name.data,
            place=form.place(),
            secret=form.secret.data,
            by=actor(),
        )
        if store is not None:
            return _added(store)
    return render_template("stores/bucket.html", form=form), form.status


@blueprint.route("/<name>/edit", methods=["GET", "POST"])
@requires(Role.ADMIN)
@asks_again
def edit(name: str) -> ResponseReturnValue:
    store = stores.get_store(name)
    change = _change_folder if store.kind is StoreKind.SFTP else _change_bucket
    form, changed = change(store)
    if changed is not None:
        flash(_("Penyimpanan %(name)s dipakai dengan cara yang baru.", name=changed.name))
        return redirect(url_for("stores.show_list"), 303)
    return render_template("stores/edit.html", store=store, form=form), form.status


def _change_folder(store: Store) -> tuple[PanelForm, Store | None]:
    known = {**store.place, "fingerprint": store_changes.fingerprint_of(store)}
    form = FolderChangeForm(data=known)
    if not form.accepted():
        return form, None
    return form, form.attempt(
        store_changes.change_sftp,
        store.name,
        address=form.address.data.strip(),
        port=form.port.data,
        user=form.user.data,
        folder=form.folder.data.strip(),
        fingerprint=form.fingerprint.data,
        by=actor(),
    )


def _change_bucket(store: Store) -> tuple[PanelForm, Store | None]:
    form = BucketChangeForm(data=store.place)
    if not form.accepted():
        return form, None
    secret = form.secret.data or ""
    return form, form.attempt(
        store_changes.change_s3, store.name, place=form.place(), secret=secret, by=actor()
    )


@blueprint.route("/<name>/remove", methods=["GET", "POST"])
@requires(Role.ADMIN)
@asks_again
def remove(name: str) -> ResponseReturnValue:
    store, form = stores.get_store(name), RemovalForm()
    if form.accepted() and form.attempt(_remove, store.name, form.typed.data) is not None:
        flash(_("Penyimpanan dilupakan; isinya tetap di sana."))
        return redirect(url_for("stores.show_list"), 303)
    return render_template(
        "stores/remove.html", store=store, place=_where(store), form=form
    ), form.status


@blueprint.post("/<name>/append-only/<any(on, off):state>")
@requires(Role.ADMIN)
@asks_again
def set_append_only(name: str, state: str) -> ResponseReturnValue:
    stores.set_append_only(stores.get_store(name).id, on=state == "on", by=actor())
    flash(_("Pengaturan penyimpanan disimpan."))
    return redirect(url_for("stores.show_list"), 303)


@blueprint.post("/provers/<int(max=2147483647):server_id>/appoint")
@requires(Role.ADMIN)
@asks_again
def appoint_prover(server_id: int) -> ResponseReturnValue:
    run = backup_keys.appoint_prover(server_id, by=actor())
    return redirect(url_for("runs.show", run_id=run.id), 303)


@blueprint.post("/provers/<int(max=2147483647):server_id>/dismiss")
@requires(Role.ADMIN)
@asks_again
def dismiss_prover(server_id: int) -> ResponseReturnValue:
    backup_keys.dismiss_prover(server_id, by=actor())
    flash(_("Server itu tidak membuktikan lagi; kuncinya tetap di sana."))
    return redirect(url_for("stores.show_list"), 303)


def _remove(name: str, typed: str) -> Store:
    if typed.strip() != name:
        raise InvalidInputError(
            _("Nama itu tidak sama."), _("Ketik persis seperti tertulis."), field="typed"
        )
    return stores.remove_store(name, by=actor())


def _may_prove(server: Server) -> bool:
    return server.state is ServerState.READY and not server.is_prover


def _where(store: Store) -> str:
    return KitStore(store.name, store.kind, store.place, "").where


def _added(store: Store) -> ResponseReturnValue:
    flash(_("Penyimpanan %(name)s dipakai mulai sekarang.", name=store.name))
    return redirect(url_for("stores.show_list"), 303)


def _folder_page(form: FolderForm) -> ResponseReturnValue:
    public_key = keys.public_key()
    return render_template("stores/folder.html", form=form, public_key=public_key), form.status
