"""Settings changed while the panel runs; kept in the registry, unlike config.Settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import select

from siappakai.domain import retention
from siappakai.domain.backups import RECIPIENT
from siappakai.errors import InvalidInputError
from siappakai.models import Setting, db
from siappakai.models.app import current_settings
from siappakai.models.transactions import read_again, read_once, transaction
from siappakai.services import audit
from siappakai.wording import say

DRAIN: Final = "drain"
PARALLELISM: Final = "parallelism"
TIMEZONE: Final = "timezone"
# Below this share of a disk left free, people are warned.
DISK_FREE_PERCENT: Final = "disk_free_percent"

# For whom every backup is sealed: a public age key, its private one held offline.
RECOVERY_RECIPIENT: Final = "recovery_recipient"
# How many days, weeks, months and years that have a backup keep one.
KEEP: Final = (
    "backup_keep_daily",
    "backup_keep_weekly",
    "backup_keep_monthly",
    "backup_keep_yearly",
)
# At which hour of the regency's clocks the registry is backed up, best after the villages; and how
# long its backups are kept, as those of villages.
REGISTRY_BACKUP_HOUR: Final = "registry_backup_hour"
REGISTRY_KEEP: Final = (
    "registry_keep_daily",
    "registry_keep_weekly",
    "registry_keep_monthly",
    "registry_keep_yearly",
)
# How many days what a restore replaced is kept, so that it can be taken back.
RESTORE_KEEP_DAYS: Final = "restore_keep_days"
# How old the newest backup of a village may be.
BACKUP_STALE_HOURS: Final = "backup_stale_hours"
# How long bringing a village back may take, as its last proof measured it.
RESTORE_TARGET_MINUTES: Final = "restore_target_minutes"

SESSION_IDLE_MINUTES: Final = "session_idle_minutes"
SESSION_HOURS: Final = "session_hours"
REQUIRE_TOTP_FOR_ADMINS: Final = "require_totp_for_admins"

TIMEZONES: Final = {"Asia/Jakarta": "WIB", "Asia/Makassar": "WITA", "Asia/Jayapura": "WIT"}
PARALLELISM_MAXIMUM: Final = 256
IDLE_MINUTES: Final = range(5, 24 * 60 + 1)
LONGEST_SESSION_HOURS: Final = 7 * 24
STALE_HOURS: Final = range(1, 721)
RESTORE_MINUTES: Final = range(1, 1441)
KEPT_DAYS: Final = range(1, 91)
HOURS_OF_A_DAY: Final = range(24)
DISK_FREE_PERCENTS: Final = range(1, 51)

_DEFAULTS: Final[dict[str, Any]] = {
    DRAIN: False,
    PARALLELISM: None,
    TIMEZONE: "Asia/Jakarta",
    DISK_FREE_PERCENT: 15,
    RECOVERY_RECIPIENT: "",
    **dict(zip(KEEP, (14, 8, 12, 3), strict=True)),
    REGISTRY_BACKUP_HOUR: 5,
    **dict(zip(REGISTRY_KEEP, (14, 8, 12, 3), strict=True)),
    RESTORE_KEEP_DAYS: 7,
    BACKUP_STALE_HOURS: 36,
    RESTORE_TARGET_MINUTES: 60,
    SESSION_IDLE_MINUTES: 120,
    SESSION_HOURS: 12,
    REQUIRE_TOTP_FOR_ADMINS: True,
}
KEYS: Final = tuple(_DEFAULTS)


def get(key: str) -> Any:
    """Return the value of a setting, or its default; raises InvalidInputError if unknown."""
    return get_many([key])[key]


def get_many(keys: list[str]) -> dict[str, Any]:
    """Return several settings, in one query for all of a transaction."""
    for key in keys:
        _check_known(key)
    stored = read_once(_stored)
    return {key: stored.get(key, _DEFAULTS[key]) for key in keys}


def _stored() -> dict[str, Any]:
    # Few rows, and a page asks for half of them, one after the other.
    query = select(Setting.key, Setting.value).where(Setting.key.in_(KEYS))
    return dict(db.session.execute(query).all())


def put(key: str, value: Any, *, by: str) -> None:
    """Change a setting; raises InvalidInputError (field = key) for a value it cannot have."""
    _check_known(key)
    if not _CHECKS[key](value):
        raise InvalidInputError(
            say("Nilai “%(value)s” tidak sah untuk pengaturan %(key)s.", value=value, key=key),
            _CHOICES[key],
            field=key,
        )
    with transaction() as session:
        before = get(key)
        if before == value:
            return
        session.merge(Setting(key=key, value=value, updated_by=by))
        read_again(session)
        audit.record("setting.change", key, by=by, detail={"before": before, "after": value})


def put_if_unset(key: str, *, value: Any, by: str) -> None:
    """Set what nobody has set yet."""
    with transaction() as session:
        if session.get(Setting, key) is None:
            put(key, value, by=by)


def forget(key: str, *, put_by: str) -> None:
    """Go back to the default, unless somebody else than `put_by` has set it since."""
    with transaction() as session:
        stored = session.get(Setting, key)
        if stored is not None and stored.updated_by == put_by:
            session.delete(stored)
            read_again(session)
            audit.record("setting.forget", key, by=put_by, detail={"before": stored.value})


def is_draining() -> bool:
    """Tell whether the fleet is drained: what runs is finished, nothing is started."""
    return bool(get(DRAIN))


def set_drain(*, drain: bool, by: str) -> None:
    """Turn the drain switch."""
    put(DRAIN, drain, by=by)


def global_parallelism() -> int:
    """Return how many sites of the whole fleet are worked on at once."""
    value = get(PARALLELISM)
    return current_settings().global_parallelism if value is None else int(value)


def _check_known(key: str) -> None:
    if key not in _DEFAULTS:
        raise InvalidInputError(
            say("Pengaturan “%(key)s” tidak dikenal.", key=key),
            say("Pilih dari: %(choices)s.", choices=", ".join(_DEFAULTS)),
            field=key,
        )


def _is_parallelism(value: Any) -> bool:
    if value is None:
        return True
    return type(value) is int and 1 <= value <= PARALLELISM_MAXIMUM


_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    DRAIN: lambda value: isinstance(value, bool),
    PARALLELISM: _is_parallelism,
    TIMEZONE: lambda value: value in TIMEZONES,
    DISK_FREE_PERCENT: lambda value: type(value) is int and value in DISK_FREE_PERCENTS,
    RECOVERY_RECIPIENT: lambda value: RECIPIENT.fullmatch(str(value)) is not None,
    **dict.fromkeys(
        KEEP + REGISTRY_KEEP, lambda value: type(value) is int and 0 <= value <= retention.MOST
    ),
    REGISTRY_BACKUP_HOUR: lambda value: type(value) is int and value in HOURS_OF_A_DAY,
    RESTORE_KEEP_DAYS: lambda value: type(value) is int and value in KEPT_DAYS,
    BACKUP_STALE_HOURS: lambda value: type(value) is int and value in STALE_HOURS,
    RESTORE_TARGET_MINUTES: lambda value: type(value) is int and value in RESTORE_MINUTES,
    SESSION_IDLE_MINUTES: lambda value: type(value) is int and value in IDLE_MINUTES,
    REQUIRE_TOTP_FOR_ADMINS: lambda value: isinstance(value, bool),
    SESSION_HOURS: lambda value: type(value) is int and 1 <= value <= LONGEST_SESSION_HOURS,
}

_CHOICES: Final = {
    DRAIN: say("Pilih: on atau off."),
    PARALLELISM: say(
        "Isi bilangan bulat dari 1 sampai %(highest)s, atau default.",
        highest=PARALLELISM_MAXIMUM,
    ),
    TIMEZONE: say("Pilih dari: %(choices)s.", choices=", ".join(TIMEZONES)),
    DISK_FREE_PERCENT: say("Isi bilangan bulat dari 1 sampai 50."),
    RECOVERY_RECIPIENT: say("Buat kunci pemulihan dengan: siappakai backup make-key."),
    **dict.fromkeys(
        KEEP + REGISTRY_KEEP,
        say("Isi bilangan bulat dari 0 sampai %(most)s.", most=retention.MOST),
    ),
    REGISTRY_BACKUP_HOUR: say("Isi bilangan bulat dari 0 sampai 23."),
    RESTORE_KEEP_DAYS: say("Isi bilangan bulat dari 1 sampai 90."),
    BACKUP_STALE_HOURS: say("Isi bilangan bulat dari 1 sampai 720."),
    RESTORE_TARGET_MINUTES: say("Isi bilangan bulat dari 1 sampai 1440."),
    SESSION_IDLE_MINUTES: say(
        "Isi bilangan bulat dari %(lowest)s sampai %(highest)s.",
        lowest=IDLE_MINUTES[0],
        highest=IDLE_MINUTES[-1],
    ),
    REQUIRE_TOTP_FOR_ADMINS: say("Pilih: on atau off."),
    SESSION_HOURS: say(
        "Isi bilangan bulat dari 1 sampai %(highest)s.",
        highest=LONGEST_SESSION_HOURS,
    ),
}
