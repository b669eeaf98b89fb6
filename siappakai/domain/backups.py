"""What can be said of a backup: whether it arrived, whether it was proven."""

from __future__ import annotations

from enum import StrEnum


class CopyState(StrEnum):
    """A backup in one store: on its way, there and read back, not what it was, or deleted."""

    WAITING = "waiting"
    STORED = "stored"
    DAMAGED = "damaged"
    DELETED = "deleted"


class ProofState(StrEnum):
    """Whether a backup was restored and counted."""

    UNPROVEN = "unproven"
    PROVEN = "proven"
    FAILED = "failed"
