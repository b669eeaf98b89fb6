"""Importing a list of villages: upload, look at every problem, confirm. And exporting it."""

from __future__ import annotations

from typing import Final, Literal

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from siappakai.models import Role
from siappakai.services import imports
from siappakai.services.paging import page_of
from siappakai.web.forms.villages import ImportForm
from siappakai.web.identity import actor
from siappakai.web.security import requires

_MIMETYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_ROWS_SHOWN: Final = 100

blueprint = Blueprint("imports", __name__, url_prefix="/import")


@blueprint.route("/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def upload() -> ResponseReturnValue:
    form = ImportForm()
    if form.accepted():
        preview = form.attempt(
            imports.preview_import,
            form.file.data.read(),
            filename=form.file.data.filename or "",
            by=actor(),
        )
        if preview is not None:
            return redirect(url_for("imports.show", draft_id=preview.id), 303)
    return render_template("imports/upload.html", form=form), form.status


@blueprint.get("/<draft_id>")
@requires(Role.OPERATOR)
def show(draft_id: str) -> ResponseReturnValue:
    preview = imports.get_import(draft_id)
    page = request.args.get("page", 1, type=int)
    problem_page = request.args.get("problems", 1, type=int)
    return render_template(
        "imports/preview.html",
        preview=preview,
        rows=page_of(preview.rows, page=page, per_page=_ROWS_SHOWN),
        problems=page_of(preview.problems, page=problem_page, per_page=_ROWS_SHOWN),
    )


@blueprint.post("/<draft_id>/apply")
@requires(Role.OPERATOR)
def confirm(draft_id: str) -> ResponseReturnValue:
    result = imports.apply_import(draft_id, by=actor())
    flash(
        _(
            "Impor selesai: %(created)s desa baru, %(updated)s diganti namanya, "
            "%(unchanged)s tetap, %(planned)s situs direncanakan.",
            created=result.created,
            updated=result.updated,
            unchanged=result.unchanged,
            planned=result.planned,
        )
    )
    return redirect(url_for("villages.show_list"), 303)


@blueprint.post("/<draft_id>/discard")
@requires(Role.OPERATOR)
def discard(draft_id: str) -> ResponseReturnValue:
    imports.discard_import(draft_id, by=actor())
    flash(_("Impor dibatalkan; tidak ada yang diubah."))
    return redirect(url_for("imports.upload"), 303)


@blueprint.get("/export.<any(csv, xlsx):file_format>")
@requires(Role.VIEWER)
def export(file_format: Literal["csv", "xlsx"]) -> ResponseReturnValue:
    response = Response(
        imports.export_villages(file_format=file_format), content_type=_MIMETYPES[file_format]
    )
    response.headers["Content-Disposition"] = f'attachment; filename="desa.{file_format}"'
    return response
