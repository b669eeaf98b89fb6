"""What can be said of a backup: whether it arrived, whether it was proven."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

RECIPIENT: Final = re.compile("age1[0-9a-z]{58}")
SHA256: Final = re.compile("[0-9a-f]{64}")


class CopyState(StrEnum):
    """A backup in one store: on its way; there and read back; not what it was; not there any more.

    Or deleted, as the rules let it go; or left behind in a store that is none of ours any more.
    """

    WAITING = "waiting"
    STORED = "stored"
    DAMAGED = "damaged"
    MISSING = "missing"
    DELETED = "deleted"
    LEFT = "left"


class ProofState(StrEnum):
    """Whether a backup was restored and counted."""

    UNPROVEN = "unproven"
    PROVEN = "proven"
    FAILED = "failed"


# How much of a disk must stay free: MariaDB and the villages stand still on a full one.
_SHARE, _LEAST, _MOST = 20, 256 << 20, 4 << 30


def reserve(size: int) -> int:
    """Return how much of a disk of `size` bytes must stay free; as `room.reserve` on servers."""
    return min(max(size // _SHARE, _LEAST), _MOST)


def name_of(slug: str, token: int) -> str:
    """Return what the backup of a site by a run is called."""
    return f"{slug}-{token}.age"


def manifest_hash(manifest: Mapping[str, Any]) -> str:
    """Return what tells a manifest from any other, whoever wrote it down meanwhile.

    As `backup_proof.manifest_hash` on servers, to which the manifest itself does not go again:
    it holds words of villages, and Ansible takes what it is given for templates.
    """
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
