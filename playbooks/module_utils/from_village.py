"""What fills the site of a village that moves in: its own files and data."""

from __future__ import annotations

import tarfile
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from . import golden, mariadb, sandbox, village_files
from .definers import portable
from .outcome import Refusal
from .planting import known_hashes, village_link
from .sandbox import Access, Bounds
from .village_files import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .account import Account
    from .order import Order
    from .scratch import Scratch
    from .village_files import Limits, Plan

# In the note beside the site: the run that may take it back.
ADOPTED_BY = "adopted_by"


class FromVillage:
    """A village's own files and data; see planting.Seed."""

    def __init__(self, archive: Path, plan: Plan, source: Scratch, limits: Limits) -> None:
        self.archive = archive
        self.plan = plan
        self.source = source
        self.limits = limits
        self.remembered: Mapping[str, Any] = {}

    def told(self, order: Order) -> str:
        """Say so, and remember whose work this is: nobody else may undo it."""
        self.remembered = {ADOPTED_BY: order.site["run_token"]}
        return "from the village's own data"

    def fill_folder(self, order: Order, fresh: Path, account: Account, web_group: int) -> None:
        """Unpack the archive; folders of a fresh village that it lacks are made for uploads."""
        place = Place(fresh, account.uid, web_group)
        for path in _fresh_folders(golden_of(order)):
            place.folder(path)
        village_files.unpack(self.archive, self.source.account, self.plan.root, self.limits, place)

    def fill_database(self, order: Order, account: Account) -> Sequence[str]:  # noqa: ARG002 - the client's account owns nothing
        """Copy the throw-away schema; raises Refusal `archive_incomplete` when rows are missing."""
        site, access = order.site, self.source.access()
        target = Access(
            order.layout["db_socket"],
            site["database"],
            site["db_user"],
            order.secrets["db_password"],
        )
        client = self.source.account
        with sandbox.dump(access, client) as written:
            sandbox.load(target, client, portable(written), Bounds(), lambda: 0)
        with closing(self.source.connect()) as link, closing(village_link(order)) as own:
            wanted = mariadb.table_counts(link, access.database)
            if mariadb.table_counts(own, site["database"]) != wanted:
                raise Refusal(
                    "archive_incomplete",
                    "Not all rows of the village arrived in its database. Run this again.",
                    slug=site["slug"],
                )
        return known_hashes(order)


def _fresh_folders(snapshot: Path) -> Iterator[PurePosixPath]:
    try:
        with tarfile.open(snapshot / golden.FILES) as archive:
            for member in archive:
                if member.isdir() and member.name not in {".", "./cache", "./config"}:
                    yield PurePosixPath(member.name)
    except FileNotFoundError:
        return


def golden_of(order: Order) -> Path:
    """Return the folder of the golden snapshot of a site's release."""
    return golden.golden_folder(order.layout, order.site["app"], order.site["release"])
