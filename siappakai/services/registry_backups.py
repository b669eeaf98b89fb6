"""The registry's own backups: due each night, sealed for the recovery key, sent to every store.

Nothing waits here for a store that is down: it is sent a newer one when it answers again.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select

from siappakai import __version__, dispatch
from siappakai.credentials import load_key_ring
from siappakai.domain import registry_backups as rules
from siappakai.domain.backups import CopyState
from siappakai.errors import RefusedError, SiapPakaiError, UnreachableError
from siappakai.gateways.registry_copy import kind_of, save_registry
from siappakai.gateways.sealing import seal
from siappakai.models import RegistryCopy, Store, db, registry_now, utc_now
from siappakai.models.app import current_settings
from siappakai.models.migrating import registry_revisions
from siappakai.models.transactions import transaction
from siappakai.services import audit, registry_copies, registry_turns, settings, stores
from siappakai.services.registry_copies import Written
from siappakai.wording import say, unpack

# As long may one that is due be on its way.
_PATIENCE: Final = timedelta(hours=1)
_SCRATCH: Final = "registry-backup-"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the registry's backups stand.

    `is_possible`: there are a recovery key and a store. `newest` is the last one in any store;
    `is_late`: one was due for an hour and is in none. `failure` is what the last try failed of.
    """

    is_possible: bool
    newest: RegistryCopy | None
    is_late: bool
    failure: str


def standing(now: datetime | None = None) -> Standing:
    """Return how the registry's backups stand."""
    newest, is_possible = _newest(), _is_possible()
    is_late = is_possible and _is_late(newest, now or utc_now())
    return Standing(is_possible, newest, is_late, unpack(registry_turns.kept().get("failure", "")))


def _of_stores() -> Select[RegistryCopy]:
    """Select what is in stores that are ours: nobody looks into those that were forgotten."""
    return select(RegistryCopy).join(RegistryCopy.store).where(Store.removed_at.is_(None))


def _newest() -> RegistryCopy | None:
    query = _of_stores().where(RegistryCopy.state == CopyState.STORED)
    newest_first = RegistryCopy.taken_at.desc(), RegistryCopy.id.desc()
    return db.session.scalar(query.order_by(*newest_first).limit(1))


def _is_late(newest: RegistryCopy | None, now: datetime) -> bool:
    """Tell whether the last one that has had its time is missing."""
    since = min(store.created_at for store in stores.list_stores())
    due = max(_newest_slot(now - _PATIENCE), since)
    return now - due > _PATIENCE and (newest is None or newest.taken_at < due)


def list_copies(store: Store | None = None) -> list[RegistryCopy]:
    """Return what is in the stores, newest first; in one of them, or all."""
    query = _of_stores().where(RegistryCopy.state != CopyState.DELETED)
    if store is not None:
        query = query.where(RegistryCopy.store_id == store.id)
    query = query.order_by(RegistryCopy.taken_at.desc(), RegistryCopy.id.desc())
    return list(db.session.scalars(query))


def due_stores(now: datetime) -> list[Store]:
    """Return the stores that have no backup since the last time one was due, or asked for."""
    if not _is_possible():
        return []
    due = _newest_slot(now)
    if asked := registry_turns.kept().get("asked_at", ""):
        due = max(due, datetime.fromisoformat(asked))
    newest = dict(
        db.session.execute(
            select(RegistryCopy.store_id, func.max(RegistryCopy.taken_at))
            .where(RegistryCopy.state == CopyState.STORED)
            .group_by(RegistryCopy.store_id)
        ).all()
    )
    known = stores.list_stores()
    return [store for store in known if store.id not in newest or newest[store.id] < due]


def _newest_slot(now: datetime) -> datetime:
    zone = ZoneInfo(settings.get(settings.TIMEZONE))
    return rules.newest_slot(now, zone, settings.get(settings.REGISTRY_BACKUP_HOUR))


def ring_if_due(now: datetime | None = None) -> None:
    """Ask a worker for the backup that is due; done by the clock, which does not wait for it."""
    now = now or registry_now(db.session())
    if registry_turns.is_resting(now) or not due_stores(now):
        return
    # Without Redis the clock does not get here; if it went just now, the next round asks again.
    with suppress(UnreachableError):
        dispatch.send_registry_backup(current_settings())


def request(*, by: str) -> None:
    """Ask for a backup now; raises RefusedError without recovery key or store."""
    _refuse_impossible()
    with transaction():
        registry_turns.keep(asked_at=_whole_second(utc_now()).isoformat(), tried_at="")
        audit.record("registry.backup_request", "", by=by)
    ring_if_due()


def carry_out(now: datetime | None = None) -> None:
    """Back the registry up to the stores that are due; what fails is noted and tried again."""
    now = now or registry_now(db.session())
    due = [] if registry_turns.is_resting(now) else [store.id for store in due_stores(now)]
    if due:
        with suppress(SiapPakaiError):
            _back_up(due, by=registry_turns.CLOCK)


def back_up(*, by: str) -> list[Written]:
    """Back the registry up to all stores now; return what became of each.

    Raises RefusedError without recovery key or store, ConflictError while another one is at
    work, SiapPakaiError when it cannot be copied or no store takes it.
    """
    _refuse_impossible()
    return _back_up([store.id for store in stores.list_stores()], by=by)


def _back_up(store_ids: Sequence[int], *, by: str) -> list[Written]:
    registry_turns.claim()
    failure = ""
    try:
        written = _write(store_ids, by=by)
        failed = [one.problem for one in written if one.problem is not None]
        if len(failed) == len(written):
            raise failed[0]
    except SiapPakaiError as problem:
        failure = problem.told
        raise
    finally:
        registry_turns.end(failure)
    return written


def _write(store_ids: Sequence[int], *, by: str) -> list[Written]:
    """Copy the registry once, and send it to the stores that answer."""
    answering, silent = registry_copies.answering(store_ids)
    if not answering:
        return silent
    folder = _scratch()
    try:
        made = _make(folder)
        sent = [
            registry_copies.send(store_id, made, moved_on=registry_turns.move_on)
            for store_id in answering
        ]
    finally:
        shutil.rmtree(folder)
    registry_copies.let_go(answering)
    written = [*sent, *silent]
    with transaction():
        reached = {one.store: one.problem is None for one in written}
        audit.record("registry.backup", made.name, by=by, detail={"stores": reached})
    return written


def _make(folder: Path) -> registry_copies.Made:
    """Make a sealed backup in a folder."""
    chosen, dump = current_settings(), folder / rules.DUMP
    recipient = settings.get(settings.RECOVERY_RECIPIENT)
    taken_at = _whole_second(utc_now())
    name = rules.name_of(taken_at, secrets.token_hex(4))
    revision, _ = registry_revisions()
    # What is read here must not keep the copy waiting.
    db.session.commit()
    save_registry(chosen.registry_url, dump)
    manifest = rules.Manifest(
        kind=kind_of(chosen.registry_url),
        program=__version__,
        revision=revision,
        taken_at=taken_at.isoformat(),
        size=dump.stat().st_size,
        sha256=registry_copies.sum_of(dump),
        proof="",
    )
    manifest = rules.proven(manifest, load_key_ring(chosen.credentials_file).seal(manifest.claim))
    sealed = seal({rules.MANIFEST: manifest.told(), rules.DUMP: dump}, recipient, folder / name)
    dump.unlink()
    return registry_copies.Made(folder / name, taken_at, sealed.size, sealed.sha256)


def _scratch() -> Path:
    """Return a new closed folder; what killed ones left is gone."""
    state = current_settings().state
    for left in state.glob(f"{_SCRATCH}*"):
        shutil.rmtree(left)
    try:
        return Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=state))
    except OSError as problem:
        raise SiapPakaiError(
            say("Registri tidak dapat disalin: %(reason)s", reason=problem),
            say("Perbaiki sebabnya (disk, hak, program yang kurang), lalu ulangi perintah ini."),
        ) from problem


def renew(*, by: str) -> None:
    """Ask for a backup that opens with the keys there are now; nothing where none is possible."""
    if _is_possible():
        request(by=by)


def _is_possible() -> bool:
    return bool(settings.get(settings.RECOVERY_RECIPIENT)) and bool(stores.list_stores())


def _refuse_impossible() -> None:
    if not _is_possible():
        raise RefusedError(
            say("Registri belum dapat dicadangkan: kunci pemulihan atau penyimpanan belum ada."),
            say("Buat kunci (siappakai backup make-key), lalu tambahkan penyimpanan."),
        )


def _whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
