"""What comes back out of an opened backup: how much of it is wanted, read, laid down, compared."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from . import backup_proof, journals, one_table, own_backup, site_tree, tree
from .account import group_id
from .differences import Difference, files_below, sums_of
from .journals import NEW
from .outcome import Refusal
from .sandbox import Access
from .village_files import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .account import Account
    from .order import Order
    from .own_backup import Contents
    from .scratch import Scratch

SITE, DATABASE, FILES = "site", "database", "files"
FOLDER, TABLE = "folder", "table"
# Made anew by the site itself, or the settings that root writes.
NOT_TAKEN = ("desa/config", "desa/cache")
_SLOTS = {"desa": "desa", "app": "storage/app"}


@dataclass(frozen=True)
class Wish:
    """What shall be restored: the opened backup, its manifest's hash, and how much of it.

    `scope` is site, database, files, folder:<path below desa/> or table:<name>. `run` is the
    panel's run, `until` when the former state may go.
    """

    source: str
    manifest_sha256: str
    scope: str = SITE
    backup: str = ""
    run: int = 0
    until: str = ""

    @property
    def kind(self) -> str:
        return self.scope.partition(":")[0]

    @property
    def with_database(self) -> bool:
        return self.kind in {SITE, DATABASE}

    @property
    def table(self) -> str:
        """The one table that is switched; raises Refusal `table_refused` for none of ours."""
        return one_table.named(self.scope.partition(":")[2]) if self.kind == TABLE else ""

    @property
    def loads(self) -> bool:
        """Tell whether the database of the backup is needed."""
        return self.with_database or self.kind == TABLE

    @property
    def paths(self) -> dict[str, str]:
        """The folders that are switched, by the slot they wait in."""
        if self.kind == FOLDER:
            return {FOLDER: str(_below_desa(self.scope.partition(":")[2]))}
        return dict(_SLOTS) if self.kind in {SITE, FILES} else {}


def _below_desa(path: str) -> PurePosixPath:
    """Return a folder of the village's uploads; raises Refusal `folder_refused` for another."""
    inside = PurePosixPath(path)
    is_plain = bool(path) and not inside.is_absolute() and ".." not in inside.parts
    if not is_plain or inside.parts[0] in {"config", "cache", "app_key"}:
        raise Refusal(
            "folder_refused",
            f"{path[:200]!r} is no folder of the village's own. Nothing was changed. Name one"
            " below desa/, such as upload/dokumen.",
            folder=path[:200],
        )
    return "desa" / inside


def read(wish: Wish, one: Scratch, sink: Sink | None = None) -> Contents:
    """Read the backup and compare it with its manifest, whatever part of it is wanted.

    Raises Refusal `backup_foreign` or `backup_differs`, or what a damaged archive raises.
    """
    load = one.load if wish.loads else None
    with Path(wish.source).open("rb") as plain:
        found = own_backup.read(plain, database=load, files=sink)
    backup_proof.check_manifest(wish.manifest_sha256, found.manifest)
    # The database is compared when it was loaded; the files were read in any case.
    tables = backup_proof.tables_of(one) if load else found.manifest["tables"]
    backup_proof.compare(found.manifest, found.files.figures(), tables)
    return found


def difference(order: Order, wish: Wish, one: Scratch, found: Contents) -> Difference:
    """Tell what a backup would change of a site, and what forbids to restore it."""
    site, told = order.site, Difference(left_out=found.left_out, examples=found.examples)
    if found.app_key != order.secrets["app_key"]:
        told.blocks.append("other_app_key")
    if wish.loads and found.manifest["release"] != site["release"]:
        told.blocks.append("other_release")
    if found.manifest["village"]["kode_desa"] != site["identity"]["kode_desa"]:
        told.blocks.append("other_village")
    if wish.loads:
        own = Access(
            order.layout["db_socket"],
            site["database"],
            site["db_user"],
            order.secrets["db_password"],
        )
        now, then = sums_of(own, one.account), found.manifest["tables"]
        if wish.table:
            now, then = _only(now, wish.table), _only(then, wish.table)
        told.compare(now, then)
    if wish.paths:
        now = files_below(Path(site["folder"]), wish.paths.values())
        told.files = {"now": now}
        if wish.kind != FOLDER:
            known = found.files
            told.files["then"] = {"count": known.count, "bytes": known.bytes}
    return told


def _only(sums: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {name: sums[name]} if name in sums else {}


class Sink:
    """Lays the files of a backup down in the slots of the new state."""

    def __init__(self, order: Order, wish: Wish, account: Account) -> None:
        self.order = order
        self.wish = wish
        self.account = account
        self.top = Path(order.site["folder"], journals.FOLDER, NEW)
        self.web_group = group_id(order.layout["web_user"])
        self.place = Place(self.top, account.uid, self.web_group)

    def folder(self, path: PurePosixPath) -> None:
        """Make a folder that is wanted."""
        slot = self._slot(path)
        if slot is not None:
            self.place.folder(slot)

    def file(self, path: PurePosixPath, content: Iterator[bytes], changed_at: int) -> None:
        """Write a file that is wanted, with its time."""
        slot = self._slot(path)
        if slot is None:
            return
        self.place.folder(slot.parent)
        self.place.file(slot, content)
        os.utime(self.top / slot, (changed_at, changed_at))

    def complete(self) -> None:
        """Add what is root's to write; raises Refusal when a folder is not in the backup."""
        site = self.order.site
        if self.wish.kind == FOLDER and not (self.top / FOLDER).is_dir():
            raise Refusal(
                "folder_unknown",
                f"The backup holds no folder {self.wish.paths[FOLDER]}. Nothing was changed.",
                folder=self.wish.paths[FOLDER],
            )
        if self.wish.kind in {SITE, FILES}:
            key, under = self.order.secrets["app_key"], f"{journals.FOLDER}/{NEW}/desa"
            tree.apply(
                site["folder"],
                site_tree.village_folder(
                    self.account, self.web_group, self.order.files, key, under=under
                ),
            )
        for path in self.wish.paths.values():
            self._make_parents(path)

    def slots(self) -> list[str]:
        """Return the slots that hold something."""
        return [slot for slot in self.wish.paths if (self.top / slot).is_dir()]

    def _slot(self, path: PurePosixPath) -> PurePosixPath | None:
        """Return where a path of the site goes; None for what is not wanted."""
        if any(path.is_relative_to(one) and str(path) != one for one in NOT_TAKEN):
            return None
        for slot, wanted in self.wish.paths.items():
            if path.is_relative_to(wanted):
                return PurePosixPath(slot) / path.relative_to(wanted)
        return None

    def _make_parents(self, path: str) -> None:
        root = self.order.site["folder"]
        for parent in [*reversed(PurePosixPath(path).parents)][1:]:
            if not tree.exists(root, str(parent)):
                owner = (self.account.uid, self.web_group)
                tree.apply(root, [tree.Entry(str(parent), 0o2750, *owner)])
