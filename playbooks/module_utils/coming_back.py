"""A village that is gone, installed anew from an opened backup of ours.

What we took and can compare with its manifest is not judged as a stranger's files are: nothing in
the village's data or in the names of its files forbids that it comes back. It is loaded and laid
down with the same care: by a user of the scratch schema alone, no links, nothing outside.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from . import backup_proof, own_backup, programs_kept, training
from .comeback import NOT_TAKEN
from .from_village import FromVillage
from .outcome import Refusal
from .planting import village_link
from .village_files import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .account import Account
    from .inspection import Report
    from .order import Order
    from .outcome import Steps
    from .own_backup import Contents
    from .scratch import Scratch

_DESA, _APP = PurePosixPath("desa"), PurePosixPath("storage/app")


def look(
    order: Order,
    archive: Path,
    manifest_sha256: str,
    one: Scratch,
    steps: Steps,
    *,
    as_copy: bool = False,
) -> Contents:
    """Load a backup's database and read its files; raises Refusal unless it is what was taken.

    `as_copy`: it is another village's, and its data are made those of a training copy.
    """
    with steps.step("files") as step, archive.open("rb") as plain:
        found = own_backup.read(plain, database=one.load)
        step.detail = f"{found.files.count} files"
    with steps.step("compare"):
        backup_proof.check_manifest(manifest_sha256, found.manifest)
        backup_proof.compare(found.manifest, found.files.figures(), backup_proof.tables_of(one))
    if as_copy:
        with steps.step("disown"):
            training.disown(one, order)
    elif found.app_key != order.secrets["app_key"]:
        raise Refusal(
            "archive_incomplete",
            "The backup's key is not the one the site is to have. Ask for the restore again.",
            slug=order.site["slug"],
        )
    return found


def tell(found: Contents, report: Report) -> None:
    """Add to a report what was read of a backup; its findings forbid nothing."""
    report.findings = [replace(finding, blocks=False) for finding in report.findings]
    figures = found.files
    report.figures["files"] = {"files": figures.count, "size": figures.bytes}
    if found.left_out:
        report.add("files_left_out", count=found.left_out, names=found.examples)


class FromBackup(FromVillage):
    """The files and data of an opened backup; see planting.Seed."""

    def __init__(self, archive: Path, source: Scratch, *, is_copied: bool = False) -> None:
        self.archive = archive
        self.source = source
        self.is_copied = is_copied
        self.remembered: Mapping[str, Any] = {}

    def told(self, order: Order) -> str:
        """Say so, as for what a village brings."""
        super().told(order)
        return (
            "from another village's backup" if self.is_copied else "from the village's own backup"
        )

    def fill_folder(self, order: Order, fresh: Path, account: Account, web_group: int) -> None:
        """Lay down desa/ as it was, and storage/app beside it."""
        app = Path(order.site["folder"], _APP)
        app.mkdir(mode=0o750, exist_ok=True)
        os.chown(app, account.uid, account.gid)
        sink = _Sink(
            {
                _DESA: Place(fresh, account.uid, web_group),
                _APP: Place(app, account.uid, account.gid),
            }
        )
        with self.archive.open("rb") as plain:
            own_backup.read(plain, files=sink)

    def fill_database(self, order: Order, account: Account) -> Sequence[str]:
        """Copy the throw-away schema, and what no copy of tables brings along."""
        known = super().fill_database(order, account)
        with closing(self.source.connect()) as link:
            programs = programs_kept.read(link, self.source.name)
        with closing(village_link(order)) as own:
            programs_kept.make(own, [one for one in programs if one.kind != programs_kept.VIEW])
        return known


class _Sink:
    """Lays files down in the places of the folders they were in."""

    def __init__(self, places: dict[PurePosixPath, Place]) -> None:
        self.places = places

    def folder(self, path: PurePosixPath) -> None:
        """Make a folder."""
        for place, inside in self._placed(path):
            place.folder(inside)

    def file(self, path: PurePosixPath, content: Iterator[bytes], changed_at: int) -> None:
        """Write a file, with its time."""
        for place, inside in self._placed(path):
            place.folder(inside.parent)
            place.file(inside, content)
            os.utime(place.top / inside, (changed_at, changed_at))

    def _placed(self, path: PurePosixPath) -> Iterator[tuple[Place, PurePosixPath]]:
        if any(path.is_relative_to(one) for one in NOT_TAKEN):
            return
        for top, place in self.places.items():
            if path.is_relative_to(top) and path != top:
                yield place, path.relative_to(top)
