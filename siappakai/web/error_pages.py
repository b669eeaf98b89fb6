"""Every refusal as a page that says what happened and what to do now."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from flask import Flask, render_template
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError, OperationalError
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError

from siappakai.errors import InvalidInputError, SiapPakaiError
from siappakai.models import db
from siappakai.web.api import problems
from siappakai.web.bearer import is_api_request
from siappakai.web.languages import retell
from siappakai.wording import say

_EXPLANATIONS: Final = {
    400: (_("Permintaan tidak dapat dipahami."), _("Kembali dan coba lagi.")),
    401: (_("Anda belum masuk."), _("Masuk lebih dahulu, lalu ulangi.")),
    403: (
        _("Peran Anda tidak mengizinkan tindakan ini."),
        _("Minta admin melakukannya, atau minta peran lain."),
    ),
    404: (_("Halaman tidak ada."), _("Periksa alamatnya, atau mulai dari dasbor.")),
    405: (_("Cara memanggil halaman ini salah."), _("Mulai dari dasbor.")),
    413: (_("Berkas terlalu besar."), _("Batasnya 8 MB; bagi berkas menjadi beberapa bagian.")),
    500: (
        _("Terjadi kesalahan di panel."),
        _("Coba lagi. Bila berulang, sertakan waktu kejadian saat melapor; rinciannya di log."),
    ),
}
_EXPIRED: Final = (
    _("Formulir ini sudah kedaluwarsa."),
    _("Muat ulang halamannya, lalu kirim lagi. Tidak ada yang diubah."),
)
_REGISTRY_AWAY: Final = (
    _("Registri tidak menjawab."),
    _("Tunggu sebentar lalu coba lagi. Bila berulang, jalankan siappakai doctor di server panel."),
)


def init(app: Flask) -> None:
    """Register the error pages on `app`, and what programs are told instead of a page."""
    for kind, show, tell in (
        (SiapPakaiError, _show_expected, problems.tell_refusal),
        (CSRFError, _show_expired, problems.tell_http),
        (SecurityError, _show_foreign_host, problems.tell_http),
        (DataError, _show_unstorable, _tell_unstorable),
        (OperationalError, _show_registry_away, problems.tell_registry_away),
        (HTTPException, _show_http, problems.tell_http),
    ):
        app.register_error_handler(kind, partial(_told, show, tell))


def _told(
    show: Callable[[Any], ResponseReturnValue],
    tell: Callable[[Any], ResponseReturnValue],
    error: Exception,
) -> ResponseReturnValue:
    return tell(error) if is_api_request() else show(error)


def _show_expected(error: SiapPakaiError) -> ResponseReturnValue:
    return _page(error.status, retell(error.what), retell(error.todo))


def _show_expired(_error: CSRFError) -> ResponseReturnValue:
    return _page(400, *_EXPIRED)


def _show_foreign_host(_error: SecurityError) -> ResponseReturnValue:
    # No template: its links would be built for a host nobody vouches for.
    return "Host not allowed; see allowed_hosts\n", 400, {"Content-Type": "text/plain"}


def _show_registry_away(_error: OperationalError) -> ResponseReturnValue:
    what, todo = _REGISTRY_AWAY
    return f"{what} {todo}\n", 503, {"Content-Type": "text/plain; charset=utf-8"}


def _show_unstorable(_error: DataError) -> ResponseReturnValue:
    return _show_expected(_unstorable())


def _tell_unstorable(_error: DataError) -> ResponseReturnValue:
    return problems.tell_refusal(_unstorable())


def _unstorable() -> InvalidInputError:
    # What is left of the transaction answers nothing any more, the page's own questions neither.
    db.session.rollback()
    return InvalidInputError(
        say("Ada isian yang tidak dapat disimpan registri."),
        say("Buang karakter yang tidak terlihat, persingkat teks yang panjang, lalu ulangi."),
    )


def _show_http(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None:
        return error.response
    code = error.code or InternalServerError.code
    what, todo = _EXPLANATIONS.get(code, (error.description or error.name, ""))
    return _page(code, what, todo)


def _page(status: int, what: object, todo: object) -> ResponseReturnValue:
    return render_template("error.html", status=status, what=what, todo=todo), status
