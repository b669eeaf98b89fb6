"""Backups of the registry: what they are called, when one is due, what one says of itself. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

from siappakai.domain.recurrence import local_time, moment_of
from siappakai.errors import RefusedError
from siappakai.wording import say

# Where they lie in every store, and what is in one.
FOLDER: Final = "registry"
MANIFEST: Final = "manifest.json"
DUMP: Final = "registry"

_NAME: Final = re.compile(r"registry-(\d{8}T\d{6})Z-[0-9a-f]{8}\.age")
_STAMP: Final = "%Y%m%dT%H%M%S"


def name_of(taken_at: datetime, mark: str) -> str:
    """Return what a backup of that moment is called; `mark` tells it from others of that second."""
    return f"registry-{taken_at.astimezone(UTC):{_STAMP}}Z-{mark}.age"


def taken_at_of(name: str) -> datetime | None:
    """Return when the backup of that name was taken; None for any other file."""
    found = _NAME.fullmatch(name)
    return datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC) if found else None


def newest_slot(now: datetime, zone: ZoneInfo, hour: int) -> datetime:
    """Return the last moment (UTC) at which the clocks of a zone struck `hour`."""
    here = local_time(now, zone)
    slot = datetime.combine(here.date(), time(hour))
    return moment_of(slot if slot <= here else slot - timedelta(days=1), zone)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup of a registry says of itself.

    `kind` is the database it is of, `program` and `revision` who wrote it. `proof` is time and
    checksum sealed with the panel's key ring: nobody else can make a backup that is believed.
    """

    kind: str
    program: str
    revision: str
    taken_at: str
    size: int
    sha256: str
    proof: str

    @property
    def claim(self) -> str:
        """Return what `proof` must hold."""
        return f"{self.taken_at} {self.sha256}"

    def told(self) -> bytes:
        return json.dumps(asdict(self), indent=2).encode()

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Return what a manifest says; raises RefusedError for anything else."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            raise not_ours() from None


def proven(manifest: Manifest, proof: str) -> Manifest:
    """Return a manifest with its claim, sealed, as proof."""
    return replace(manifest, proof=proof)


def refuse_renamed(name: str, manifest: Manifest) -> None:
    """Raise RefusedError when a backup was taken at another time than its name says."""
    taken_at = datetime.fromisoformat(manifest.taken_at).replace(microsecond=0)
    if taken_at != taken_at_of(name):
        raise RefusedError(
            say(
                "Cadangan itu diambil %(taken_at)s, bukan saat yang disebut namanya.",
                taken_at=f"{taken_at:%Y-%m-%d %H:%M} UTC",
            ),
            say("Seseorang mengganti nama berkas di penyimpanan itu; periksa siapa."),
        )


def not_ours() -> RefusedError:
    """Return the refusal of a file that is no backup of a registry."""
    return RefusedError(
        say("Berkas itu bukan cadangan registri SiapPakai."),
        say("Periksa isi folder registry/ di penyimpanan itu."),
    )
