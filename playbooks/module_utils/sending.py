"""Writing a village's rows as they shall stand in the gabungan."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .links import moved
from .relations import KEEP

try:
    from pymysql.cursors import SSCursor
except ModuleNotFoundError:  # driver.connect says so
    SSCursor = None  # type: ignore[assignment,misc]

if TYPE_CHECKING:
    from .consents import Pseudonyms
    from .driver import Link
    from .manifests import Manifest
    from .relations import Passage

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})
_NULL = "\\N"
_BATCH = 500


def write_tables(
    link: Link,
    passage: Passage,
    manifest: Manifest,
    target: Path,
    *,
    changed: Sequence[str],
    pseudonyms: Pseudonyms,
) -> None:
    """Write the rows of the changed tables into a new zip file that is root's alone."""
    target.touch(mode=0o600)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for table in changed:
            told = manifest.tables.get(table)
            if told is None or told["state"] != "unchanged":
                continue
            told["state"] = "sent"
            told["columns"] = passage.columns(table)
            told["blobs"] = [
                name
                for name in told["columns"]
                if "blob" in passage.scope.tables[table].columns[name].type
            ]
            if told["expected"]:
                change = Change.of(passage, table, told["columns"], pseudonyms)
                told["sha256"] = _write_table(link, passage.select(table), archive, change)


def _write_table(link: Link, query: str, archive: zipfile.ZipFile, change: Change) -> str:
    """Write the rows of a table, a batch at a time: memory does not grow with the village.

    Returns the checksum of what was written.
    """
    digest = hashlib.sha256()
    with archive.open(f"{change.table}.tsv", "w") as file, link.cursor(SSCursor) as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(_BATCH):
            text = "".join(map(change.line, rows)).encode()
            digest.update(text)
            file.write(text)
    return digest.hexdigest()


@dataclass(frozen=True)
class Change:
    """What SQL cannot do to a row on its way: pseudonyms, and ids in JSON and links."""

    table: str
    masks: Mapping[int, str]
    shapes: Mapping[int, str]
    name_at: int
    shift: int
    low: int
    limit: int
    pseudonyms: Pseudonyms

    @classmethod
    def of(
        cls, passage: Passage, table: str, columns: Sequence[str], pseudonyms: Pseudonyms
    ) -> Change:
        """Return what is to be done to the rows of a table."""
        masks = passage.consent.masks(table)
        shapes = passage.scope.references.embedded.get(table, {})
        return cls(
            table=table,
            masks={
                place: masks[name]
                for place, name in enumerate(columns)
                if masks.get(name) in {"number", "name"}
            },
            shapes={place: shapes[name] for place, name in enumerate(columns) if name in shapes},
            name_at=columns.index("key") if "setting" in shapes.values() else 0,
            shift=passage.shift,
            low=passage.scope.low,
            limit=passage.scope.high,
            pseudonyms=pseudonyms,
        )

    def line(self, row: Sequence[Any]) -> str:
        """Return a row as a line of tab-separated values."""
        cells = [_NULL if one is None else _text(one) for one in row]
        for place, kind in self.masks.items():
            if row[place] is not None:
                value = str(row[place])
                is_id = value.startswith(KEEP)
                after = value[1:] if is_id else self.pseudonyms.mask(kind, value)
                cells[place] = after.translate(_ESCAPES)
        for place, shape in self.shapes.items():
            if row[place]:
                name = str(row[self.name_at])
                after = moved(shape, str(row[place]), self._moved, name)
                cells[place] = after.translate(_ESCAPES)
        return "\t".join(cells) + "\n"

    def _moved(self, _: str, one: int) -> int:
        """Move an id; one beyond the village's place finds nothing, and shall not elsewhere."""
        return one + self.shift if self.low < one < self.limit else 0


def _text(value: Any) -> str:
    return str(value) if isinstance(value, int) else str(value).translate(_ESCAPES)
