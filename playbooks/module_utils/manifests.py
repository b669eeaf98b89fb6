"""What a village's server is told to send, and what it says of what it sent."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .outcome import Refusal

if TYPE_CHECKING:
    from .figures import Figures
    from .labels import Labels
    from .references import ReferenceMap
    from .resolving import Counts
    from .schemas import Table

MANIFEST = "manifest.json"
# So many ids of each table lie in one slot; 500 villages fit below the regency's own rows.
SLOT_SIZE = 4_000_000


@dataclass(frozen=True)
class Order:
    """What shall be read, and what it shall become.

    `code` is the village's, `wanted` the gabungan's tables, `key` that of the pseudonyms (hex).
    `shift` and `becomes` are its place there, of so many `slots`. `known` are the checksums of
    the tables as they were sent last under the stamp `base`, None to send all. `day` is the
    one ages are counted on, `labels` what the regency's own rows are called there.

    Out of a gabungan: the ids lie above `low`. In one that villages write live (`is_mixed`)
    those of all lie among each other. Neither is asked for again (`is_final`).
    """

    database: str
    code: str
    becomes: int
    shift: int
    slots: int
    shares: Mapping[str, str]
    key: str
    day: str
    wanted: Mapping[str, Table]
    references: ReferenceMap
    known: Mapping[str, str] | None = None
    base: str = ""
    labels: Labels = field(default_factory=dict)
    low: int = 0
    is_mixed: bool = False
    is_final: bool = False


@dataclass
class Manifest:
    """What a file holds, and what was counted where it comes from."""

    stamp: str
    becomes: int
    shift: int
    slots: int
    day: str
    low: int = 0
    base: str = ""
    is_whole: bool = True
    identity: dict[str, str | None] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    references: Counts = field(default_factory=dict)
    statistics: Figures = field(default_factory=dict)
    not_comparable: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    quality: list[str] = field(default_factory=list)
    checksums: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, archive: zipfile.ZipFile) -> Manifest:
        """Read the manifest of a file; raises Refusal for a damaged one."""
        try:
            return cls(**json.loads(archive.read(MANIFEST)))
        except (KeyError, TypeError, ValueError) as problem:
            raise Refusal(
                "export_damaged", "The village's file is damaged. Merge the village again."
            ) from problem

    @property
    def sent(self) -> list[str]:
        """The tables whose rows the file holds."""
        return [name for name, told in self.tables.items() if told["state"] == "sent"]
