"""Changing the key that seals the stored secrets, so that one that leaked opens nothing more.

Killed at any moment, the ring on disk opens everything; the next call goes on from there.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Table, select, update

from siappakai.credentials import KeyRing, new_key, read_keys, write_key_ring
from siappakai.errors import ConflictError
from siappakai.models import Setting, db
from siappakai.models.app import current_settings
from siappakai.models.transactions import transaction
from siappakai.services import audit, registry_backups
from siappakai.services.exclusion import held
from siappakai.services.keys import SEALED, sealed_columns
from siappakai.wording import say

# Others read the ring anew for each secret and write it at once; by then all use the new key.
_SETTLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was done: secrets sealed anew, and whether a rotation cut short was finished."""

    resealed: int
    resumed: bool


def rotate_key(*, by: str) -> Rotation:
    """Seal every stored secret with a new key and forget the old one.

    Raises ConflictError while another rotation is at work, SiapPakaiError for a secret that no
    key of the ring opens; then nothing in the registry is changed and the old key stays.
    """
    path = current_settings().credentials_file
    with _alone(path):
        keys = read_keys(path)
        resumed = len(keys) > 1
        if not resumed:
            keys = [new_key(), *keys]
            write_key_ring(path, keys)
        time.sleep(_SETTLE_SECONDS)
        resealed = _reseal_all(keys, by=by, resumed=resumed)
        write_key_ring(path, keys[:1])
    # Those before were made with the old key, which the next kit does not hold.
    registry_backups.renew(by=by)
    return Rotation(resealed, resumed)


def _alone(path: Path) -> AbstractContextManager[None]:
    # The folder, not the file: that one is replaced meanwhile.
    refusal = ConflictError(
        say("Penggantian kunci lain sedang berjalan."),
        say("Tunggu sampai selesai, lalu periksa."),
    )
    return held(path.parent, refusal)


def _reseal_all(keys: list[bytes], *, by: str, resumed: bool) -> int:
    ring = KeyRing(keys)
    with transaction():
        count = sum(_reseal_table(ring, *place) for place in sealed_columns())
        count += sum(_reseal_setting(ring, setting) for setting in _settings())
        detail = {"secrets": count, "resumed": resumed}
        audit.record(
            "key_ring.rotate", str(current_settings().credentials_file), by=by, detail=detail
        )
    return count


def _reseal_table(ring: KeyRing, table: Table, columns: list[Column[Any]]) -> int:
    (key,) = table.primary_key.columns
    count = 0
    # Locked: a secret made anew meanwhile must not be overwritten by the one before.
    for row in db.session.execute(select(key, *columns).with_for_update()).all():
        held = {column: value for column, value in zip(columns, row[1:], strict=True) if value}
        if held:
            fresh = {column.name: ring.reseal(value) for column, value in held.items()}
            db.session.execute(update(table).where(key == row[0]).values(fresh))
            count += len(fresh)
    return count


def _settings() -> list[Setting]:
    found = db.session.scalars(select(Setting).with_for_update())
    return [setting for setting in found if isinstance(setting.value, dict)]


def _reseal_setting(ring: KeyRing, setting: Setting) -> int:
    fresh = {
        name: ring.reseal(value)
        for name, value in setting.value.items()
        if name.endswith(SEALED) and value
    }
    if fresh:
        setting.value = setting.value | fresh
    return len(fresh)
