"""Making the data of a village those of a training copy: somebody else's, and reaching nobody.

It works on the throw-away schema, before any of it is a site's: what lets somebody in, or reaches
the village's people, never lies in the database of the copy.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

from . import programs_kept
from .inspection import Finding
from .outcome import Refusal
from .programs_kept import TRIGGER
from .schemas import quoted, read_schema

if TYPE_CHECKING:
    from .driver import Link
    from .order import Order
    from .schemas import Table
    from .scratch import Scratch

    Tables = dict[str, Table]

BANNER = "SALINAN LATIHAN"
_NOTICE = (
    "SALINAN LATIHAN, bukan situs resmi. Datanya salinan dari desa lain; tidak ada surel, SMS, atau"
    " Telegram yang dikirim dari sini."
)
# Messages that wait, tokens of telephones, and traces of logins.
EMPTIED = (
    "fcm_token",
    "fcm_token_mandiri",
    "log_login",
    "login_attempts",
    "outbox",
    "password_resets",
)
# What lets somebody in, and where somebody could be written to or called.
BLANKED = {
    "config": ("email_desa", "nomor_operator", "telepon", "website"),
    "kontak": ("email", "telegram", "telepon"),
    "pelapak": ("telepon",),
    "pengaduan": ("email", "telepon"),
    "permohonan_surat": ("no_hp_aktif",),
    "tweb_desa_pamong": ("pamong_pin",),
    "tweb_penduduk": ("email", "email_token", "telegram", "telegram_token", "telepon"),
    "tweb_penduduk_mandiri": ("pin", "remember_token"),
    "user": (
        "email",
        "email_verified_at",
        "id_telegram",
        "notif_telegram",
        "phone",
        "telegram_verified_at",
        "token",
        "token_exp",
    ),
}
# Settings by their keys: those that open something elsewhere, and those that send or ask there.
OPENING_SETTINGS = (
    "token|api|_key|key_|secret|password|sandi|_pass|smtp|firebase|telegram|vapid|^tte_|gform"
)
_SWITCHED_OFF = (
    "aktifkan_sms",
    "email_notifikasi",
    "enable_track",
    "google_recaptcha",
    "notifikasi_koneksi",
    "sinkronisasi_opendk",
    "telegram_notifikasi",
    "tte",
)
_TITLES = ("admin_title", "login_title", "website_title")
_ESSENTIAL = ("config", "setting_aplikasi", "user", "user_grup")


def disown(one: Scratch, order: Order) -> None:
    """Give the data in a throw-away schema the identity and secrets of the site in `order`.

    Of the accounts one administrator remains, with that site's login; nobody knows the password of
    the others. Raises Refusal `adoption_refused` for what is not one village's OpenSID.
    """
    # Nothing of the village's own may run while its data are changed.
    programs_kept.drop(one.admin, one.name, kinds=(TRIGGER,))
    with closing(one.connect()) as link:
        with link.cursor() as cursor:
            # Old rows break rules that a strict server would hold them to.
            cursor.execute("SET SESSION sql_mode = ''")
        tables = read_schema(link, one.name, keys=False)
        missing = [name for name in _ESSENTIAL if name not in tables]
        if missing:
            raise _refused(order, Finding("not_opensid", blocks=True, params={"tables": missing}))
        _silence(link, tables)
        _rename(link, order)
        administrator = _hand_over(link, order)
        _announce(link, tables, administrator)


def _silence(link: Link, tables: Tables) -> None:
    """Empty what could reach or let in anybody."""
    with link.cursor() as cursor:
        for name in EMPTIED:
            if name in tables:
                cursor.execute(f"DELETE FROM {quoted(name)}")  # noqa: S608 - named above, quoted
        for name, columns in BLANKED.items():
            known = tables[name].columns if name in tables else {}
            blank = {one: None if known[one].nullable else "" for one in columns if one in known}
            if blank:
                assignments = ", ".join(f"{quoted(column)} = %s" for column in blank)
                cursor.execute(
                    f"UPDATE {quoted(name)} SET {assignments}",  # noqa: S608 - named above, quoted
                    tuple(blank.values()),
                )
        cursor.execute(
            "UPDATE setting_aplikasi SET value = '' WHERE `key` REGEXP %s", (OPENING_SETTINGS,)
        )
        cursor.execute(
            "UPDATE setting_aplikasi SET value = '0' WHERE `key` IN %s", (_SWITCHED_OFF,)
        )


def _rename(link: Link, order: Order) -> None:
    """Write the copy's identity over the village's."""
    columns = {**order.site["identity"], "app_key": order.secrets["app_key"]}
    assignments = ", ".join(f"{quoted(column)} = %s" for column in columns)
    with link.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM config")
        (count,) = cursor.fetchone() or (0,)
        if count != 1:
            raise _refused(order, Finding("not_one_village", blocks=True, params={"count": count}))
        cursor.execute(f"UPDATE config SET {assignments}", tuple(columns.values()))  # noqa: S608 - columns as our plays name them, quoted


def _hand_over(link: Link, order: Order) -> int:
    """Lock all accounts but one administrator's, which gets the copy's login; return its id."""
    name, hashed = order.secrets["admin_user"], order.secrets["admin_password_hash"]
    with link.cursor() as cursor:
        cursor.execute(
            "SELECT user.id FROM user LEFT JOIN user_grup ON user_grup.id = user.id_grup"
            " ORDER BY user_grup.slug <=> 'administrator' DESC, user.active DESC, user.id LIMIT 1"
        )
        (chosen,) = cursor.fetchone() or (None,)
        if chosen is None:
            raise _refused(order, Finding("not_opensid", blocks=True, params={"tables": ["user"]}))
        cursor.execute("UPDATE user SET password = '!', session = MD5(UUID())")
        cursor.execute(
            "UPDATE user SET username = CONCAT(username, '-', id) WHERE username = %s AND id <> %s",
            (name, chosen),
        )
        cursor.execute(
            "UPDATE user SET username = %s, password = %s, active = 1 WHERE id = %s",
            (name, hashed, chosen),
        )
    return int(chosen)


def _announce(link: Link, tables: Tables, administrator: int) -> None:
    """Say on every page of the application that this is a copy."""
    with link.cursor() as cursor:
        cursor.execute(
            "UPDATE setting_aplikasi SET value = CONCAT(%s, COALESCE(value, ''))"
            " WHERE `key` IN %s AND COALESCE(value, '') NOT LIKE %s",
            (f"{BANNER} · ", _TITLES, f"{BANNER}%"),
        )
        if "teks_berjalan" not in tables:
            return
        row = {"teks": _NOTICE, "urut": 0, "status": 1, "tipe": 1, "created_by": administrator}
        row = {
            name: value for name, value in row.items() if name in tables["teks_berjalan"].columns
        }
        cursor.execute(
            f"INSERT INTO teks_berjalan (config_id, {', '.join(map(quoted, row))})"  # noqa: S608 - named above, quoted
            f" SELECT id, {', '.join(['%s'] * len(row))} FROM config",
            tuple(row.values()),
        )


def _refused(order: Order, finding: Finding) -> Refusal:
    return Refusal(
        "adoption_refused",
        f"No copy was made as {order.site['slug']}: {finding.code}. Nothing is left of it. Choose"
        " another backup.",
        findings=[asdict(finding)],
    )
