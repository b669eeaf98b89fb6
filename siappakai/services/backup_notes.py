"""What plays tell of backups while they run, written into the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from siappakai.domain.backups import RECIPIENT, SHA256, ProofState, name_of
from siappakai.domain.states import RunState, StepState
from siappakai.models import Backup, BackupCopy, Run, Server, Step, Store, Target, utc_now
from siappakai.services import outcomes
from siappakai.services.staging import ARRIVED

# Under this name a server tells of itself: the public key that it proves with.
SERVER: Final = "server"

# What says that the backup is bad. A full disk or another key says nothing of it, and pruning
# may let go of what is bad.
_DAMAGE: Final = frozenset({"backup_changed", "backup_damaged", "backup_foreign", "backup_differs"})


def note(session: Session, run_id: int, told: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep what is told of backups by name: taken, proven, gone from the spool.

    A server is believed in what its run was asked for, and in nothing else.
    """
    run = session.get_one(Run, run_id)
    for name, facts in told.items():
        _NOTES[run.play](session, run, name, facts)


def _note_taken(session: Session, run: Run, name: str, facts: Mapping[str, Any]) -> None:
    target = next((one for one in run.targets if name == name_of(one.host, run.token)), None)
    is_known = session.scalar(select(Backup.id).where(Backup.name == name)) is not None
    if target is None or is_known or SHA256.fullmatch(str(facts["sha256"])) is None:
        return
    backup = Backup(
        site_id=target.site_id,
        server_id=target.server_id,
        run_id=run.id,
        name=name,
        taken_at=_taken_at(run, facts["manifest"]["taken_at"]),
        size=int(facts["size"]),
        sha256=facts["sha256"],
        manifest=facts["manifest"],
    )
    for store_id in session.scalars(select(Store.id).where(Store.removed_at.is_(None))):
        backup.copies.append(BackupCopy(store_id=store_id))
    session.add(backup)
    session.flush()


def _taken_at(run: Run, told: str) -> datetime:
    """Return when a backup was taken: as its server says, within the time its run took."""
    now, claimed = utc_now(), datetime.fromisoformat(told)
    return claimed if (run.started_at or now) <= claimed <= now else now


def _note_dropped(session: Session, run: Run, name: str, _facts: Mapping[str, Any]) -> None:
    backup = session.scalar(select(Backup).where(Backup.name == name))
    if backup is not None and backup.server_id == run.targets[0].server_id:
        backup.is_spooled = False


def _note_proven(session: Session, run: Run, name: str, facts: Mapping[str, Any]) -> None:
    if name == SERVER:
        if RECIPIENT.fullmatch(str(facts["recipient"])):
            server = session.get_one(Server, run.targets[0].server_id)
            server.proof_recipient = facts["recipient"]
        return
    backup = session.scalar(select(Backup).where(Backup.name == name))
    if backup is not None and backup.id in run.options["backups"]:
        _note_proof(session, run.targets[0], backup, facts)


def _note_proof(session: Session, target: Target, backup: Backup, facts: Mapping[str, Any]) -> None:
    problem = str(facts.get("msg", ""))
    backup.proof_message = problem
    if not problem:
        backup.proof_state, backup.proven_at = ProofState.PROVEN, utc_now()
        brought = target.run.options.get(ARRIVED, {}).get(str(backup.id), 0.0)
        backup.proof = {**facts["proof"], "brought_seconds": brought}
    elif facts.get("error", {}).get("code") in _DAMAGE:
        backup.proof_state, backup.proof = ProofState.FAILED, {}
    session.add(
        Step(
            target_id=target.id,
            name=backup.name,
            state=StepState.FAILED if problem else StepState.OK,
            detail=problem,
            seconds=float(facts["proof"].get("seconds", 0.0)),
        )
    )
    session.flush()
    if problem and target.state is not RunState.FAILED:
        target.error = dict(facts.get("error", {}))
        outcomes.conclude(session, target, RunState.FAILED, problem)


_NOTES: Final[dict[str, Callable[[Session, Run, str, Mapping[str, Any]], None]]] = {
    "backup": _note_taken,
    "copy": _note_dropped,
    "prove": _note_proven,
}
