"""What it takes until backups come by themselves, are proven, and the panel itself can be lost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import select

from siappakai.domain.backups import ProofState
from siappakai.models import Backup, Schedule, db
from siappakai.services import backup_keys, recovery_checks, settings, stores

_ENOUGH_STORES: Final = 2


class BackupStep(StrEnum):
    """What is to be done, in this order."""

    KEY = "key"
    STORE = "store"
    SECOND_STORE = "second_store"
    PROVER = "prover"
    SCHEDULE = "schedule"
    KIT = "kit"
    PROVEN = "proven"


@dataclass(frozen=True, slots=True)
class BackupStage:
    """A step as it stands; `command` does it on the command line."""

    step: BackupStep
    is_done: bool
    command: str


def stages() -> list[BackupStage]:
    """Return all steps in order."""
    known = len(stores.list_stores())
    has_key = bool(settings.get(settings.RECOVERY_RECIPIENT))
    has_kit = bool(known) and has_key and recovery_checks.kit_to_confirm() is None
    return [
        BackupStage(BackupStep.KEY, has_key, "siappakai backup make-key"),
        BackupStage(BackupStep.STORE, bool(known), "siappakai store add-folder"),
        BackupStage(BackupStep.SECOND_STORE, known >= _ENOUGH_STORES, "siappakai store add-bucket"),
        BackupStage(BackupStep.PROVER, bool(backup_keys.provers()), "siappakai backup prover"),
        BackupStage(BackupStep.SCHEDULE, _is_scheduled(), "siappakai schedule create"),
        BackupStage(BackupStep.KIT, has_kit, "siappakai kit make"),
        BackupStage(BackupStep.PROVEN, _is_proven(), "siappakai backup verify"),
    ]


def _is_proven() -> bool:
    proven = select(Backup.id).where(Backup.proof_state == ProofState.PROVEN)
    return db.session.scalar(proven.limit(1)) is not None


def _is_scheduled() -> bool:
    going = select(Schedule.id).where(Schedule.action == "backup", Schedule.is_paused.is_(False))
    return db.session.scalar(going.limit(1)) is not None
